// What evaluating an expression costs, per call and per row. Build first: npx tsc -b packages/numerix
//
//   node packages/numerix/bench/evaluate.mjs

import { compileExpression, createColumn, evaluateInto, fromInfix } from '../dist/index.js';

const EXPRESSIONS = {
  'blend of five columns': fromInfix('0.5 * a + 0.2 * b + 0.15 * c + 0.1 * d + 0.05 * (a > e)'),
  'product with powers': fromInfix('a ^ 1.5 * b ^ 0.5 * exp(c) + log(d)'),
  'normalised sum': fromInfix('norm_min_max(a) + norm_percentile_5_95(b) + percentile_rank(c)'),
};
const NAMES = ['a', 'b', 'c', 'd', 'e'];

function measure(text, precision, rows) {
  const compiled = compileExpression(text, NAMES, precision);
  const make = precision === 'fp32' ? Float32Array : Float64Array;
  const columns = NAMES.map((_, index) => make.from({ length: rows }, (_value, row) => 0.1 + ((row * (index + 3) * 7919) % 1000) / 1000));
  const out = createColumn(compiled, rows);
  const calls = Math.max(50, Math.round(2_000_000 / rows / 4));
  let best = Infinity;
  for (let round = 0; round < 7; round++) {
    const start = process.hrtime.bigint();
    for (let call = 0; call < calls; call++) evaluateInto(compiled, columns, rows, out);
    best = Math.min(best, Number(process.hrtime.bigint() - start) / calls);
  }
  return best;
}

console.log(`node ${process.version}\n`);
console.log('expression               precision    rows   µs a call   ns a row');
for (const [name, text] of Object.entries(EXPRESSIONS)) {
  for (const precision of ['fp32', 'fp64']) {
    for (const rows of [10, 100, 1000]) {
      const nanoseconds = measure(text, precision, rows);
      console.log(
        `${name.padEnd(24)} ${precision.padEnd(9)} ${String(rows).padStart(7)} ${(nanoseconds / 1000).toFixed(2).padStart(11)} ${(nanoseconds / rows).toFixed(1).padStart(10)}`,
      );
    }
  }
}
