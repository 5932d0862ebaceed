import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpression } from './compile-expression.js';
import { NumerixError } from './errors.js';
import { evaluate, evaluateInto } from './evaluate.js';
import type { FloatColumn } from './kernels.js';
import { OPERATION_NAMES } from './operators.js';
import type { Precision } from './program.js';

const fixture: Record<string, number[]> = {
  pctr: [0.1, 0, 0.1, 0],
  pcvr: [0.2, 0.1, 0.2, 0.5],
  nobygo: [-0.3, 0.2, -0.5, 0.1],
  x: [0.6, 0.6, 0.6, 0.6],
  y: [0.2, 1, 0, 0.6],
  z: [0, 0, 1, 1],
  a: [0, 1, 0, 1],
};
const names = Object.keys(fixture);

function run(text: string, precision: Precision): FloatColumn {
  const make = precision === 'fp32' ? Float32Array : Float64Array;
  return evaluate(
    compileExpression(text, names, precision),
    names.map((name) => make.from(fixture[name]!)),
    4,
  );
}

describe('evaluate', () => {
  it.each([
    ['pctr pcvr ^', [0.6309573444801932, 0, 0.6309573444801932, 0]],
    ['pcvr log', [-1.6094379124341003, -Math.LN10, -1.6094379124341003, -Math.LN2]],
    ['nobygo percentile_rank', [0, 0.3333333333333333, 0.6666666666666666, 1]],
    ['z a |', [0, 1, 1, 1]],
    ['nobygo norm_min_max', [0.28571428571428575, 1, 0, 0.8571428571428572]],
    ['nobygo norm_percentile_0_99', [0.2869440459110474, 1.0043041606886658, 0, 0.860832137733142]],
    ['nobygo norm_percentile_5_95', [0.2595419847328244, 1.0229007633587786, -0.0458015267175573, 0.8702290076335878]],
    ['x norm_percentile_5_95', [-0.4, -0.4, -0.4, -0.4]],
    ['5', [5, 5, 5, 5]],
    ['pctr pcvr max nobygo min', [-0.3, 0.1, -0.5, 0.1]],
    ['pctr pcvr + nobygo abs * log', [-2.407945608651872, -3.912023005428146, -1.897119984885881, -2.995732273553991]],
  ])('%s', (text, expected) => {
    const exact = run(text, 'fp64');
    const narrow = run(text, 'fp32');
    for (let row = 0; row < 4; row++) {
      expect(exact[row]).toBeCloseTo(expected[row]!, 13);
      expect(narrow[row]).toBeCloseTo(expected[row]!, 5);
    }
    expect(narrow).toBeInstanceOf(Float32Array);
  });

  it('rounds every operation to FP32', () => {
    // 2^24 + 1 is no FP32 value: the sum is rounded before the subtraction sees it.
    const compiled = compileExpression('a 1 + a -', ['a'], 'fp32');
    expect(evaluate(compiled, [Float32Array.of(2 ** 24)], 1)[0]).toBe(0);
    expect(evaluate(compileExpression('a 1 + a -', ['a'], 'fp64'), [Float64Array.of(2 ** 24)], 1)[0]).toBe(1);
  });

  it.each([
    ['pcvr pctr /', 'Division by zero'],
    ['pctr log', 'Cannot take logarithm of non-positive number'],
    ['pctr x &', 'AND operation requires boolean values (0.0 or 1.0).'],
    ['y z |', 'OR operation requires boolean values (0.0 or 1.0).'],
  ])('fails the whole call: %s', (text, message) => {
    expect(() => run(text, 'fp64')).toThrow(NumerixError);
    expect(() => run(text, 'fp32')).toThrow(message);
  });

  it('converts columns of the other width, and never touches what it was given', () => {
    const compiled = compileExpression('a abs b *', ['a', 'b'], 'fp32');
    const a = Float64Array.of(-0.1, 2);
    const b = Float32Array.of(3, 4);
    expect([...evaluate(compiled, [a, b], 2)]).toEqual([Math.fround(Math.fround(0.1) * 3), 8]);
    expect([...a]).toEqual([-0.1, 2]);
    expect([...b]).toEqual([3, 4]);
  });

  it('may write over one of its columns', () => {
    const compiled = compileExpression('a b + a *', ['a', 'b'], 'fp64');
    const a = Float64Array.of(2, 3);
    expect(evaluateInto(compiled, [a, Float64Array.of(1, 1)], 2, a)).toBeNull();
    expect([...a]).toEqual([6, 12]);
  });

  it('takes more rows after fewer, and none', () => {
    const compiled = compileExpression('a 1 +', ['a'], 'fp32');
    expect(evaluate(compiled, [new Float32Array(3)], 3)).toEqual(new Float32Array(3).fill(1));
    expect(evaluate(compiled, [new Float32Array(1000)], 1000)).toEqual(new Float32Array(1000).fill(1));
    expect(evaluate(compiled, [new Float32Array(0)], 0)).toEqual(new Float32Array(0));
  });

  it('says which column is too short', () => {
    const compiled = compileExpression('a b +', ['a', 'b'], 'fp32');
    expect(() => evaluate(compiled, [new Float32Array(2), new Float32Array(1)], 2)).toThrow("column 'b' has 1 rows, expected 2");
    expect(() => evaluate(compiled, [new Float32Array(2)], 2)).toThrow('expected 2 columns (a, b), got 1');
  });

  it('agrees with a naive evaluation row by row', () => {
    const value = fc.oneof(
      fc.double({ noNaN: false }),
      fc.constantFrom(0, -0, 1, -1, 0.5, Infinity, -Infinity, Number.NaN),
      fc.integer({ min: -3, max: 3 }),
    );
    const token = fc.oneof(fc.constantFrom('a', 'b', '2', '-0.5', '0', '1'), fc.constantFrom(...OPERATION_NAMES));
    const rows = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 9 });
    let computed = 0;
    fc.assert(
      fc.property(
        fc.array(token, { minLength: 1, maxLength: 14 }),
        rows,
        fc.constantFrom<Precision>('fp32', 'fp64'),
        (tokens, data, precision) => {
          const text = wellFormed(tokens);
          const make = precision === 'fp32' ? Float32Array : Float64Array;
          const columns = [make.from(data.map(([a]) => a)), make.from(data.map(([, b]) => b))];
          const expected = naive(text, [...columns[0]!], [...columns[1]!], precision);
          let actual: number[] | 'failed';
          try {
            actual = [...evaluate(compileExpression(text, ['a', 'b'], precision), columns, data.length)];
            computed++;
          } catch (error) {
            expect(error).toMatchObject({ code: 'INFERFLOW_NUMERIX_ARITHMETIC' });
            actual = 'failed';
          }
          expect(actual, text).toEqual(expected);
        },
      ),
      {
        numRuns: 1500,
        examples: [
          [
            ['norm_min_max', 'a'],
            [
              [0, 0],
              [-0, 0],
              [Infinity, 0],
            ],
            'fp32',
          ],
        ],
      },
    );
    expect(computed).toBeGreaterThan(300);
  });
});

/** Makes postfix text of any tokens: operands are added where they are missing, what is left over is summed. */
function wellFormed(tokens: readonly string[]): string {
  const out: string[] = [];
  let depth = 0;
  for (const token of tokens) {
    const arity = !OPERATION_NAMES.includes(token) ? 0 : OPERATION_NAMES.indexOf(token) < 14 ? 2 : 1;
    while (depth < arity) {
      out.push('a');
      depth++;
    }
    out.push(token);
    depth += 1 - arity;
  }
  while (depth > 1) {
    out.push('+');
    depth--;
  }
  return out.join(' ');
}

/** A list of numbers per stack entry, one row at a time, plain JavaScript. */
function naive(text: string, a: number[], b: number[], precision: Precision): number[] | 'failed' {
  const round = precision === 'fp32' ? Math.fround : (value: number) => value;
  const stack: number[][] = [];
  const each = (arity: number, f: (left: number, right: number) => number | undefined): boolean => {
    const operands = stack.splice(stack.length - arity);
    const result = operands[0]!.map((left, row) => f(left, operands[1]?.[row] ?? 0));
    if (result.includes(undefined)) return false;
    stack.push(result.map((value) => round(value!)));
    return true;
  };
  for (const token of text.split(' ')) {
    if (token === 'a' || token === 'b') stack.push(token === 'a' ? a : b);
    else if (!Number.isNaN(Number(token))) stack.push(a.map(() => round(Number(token))));
    else if (ROW_WISE[token] !== undefined) {
      if (!each(ROW_WISE[token].arity, ROW_WISE[token].f)) return 'failed';
    } else {
      const values = stack.pop()!;
      const result = wholeVector(token, values, round);
      if (result === undefined) return 'failed';
      stack.push(result);
    }
  }
  return stack[0]!;
}

const isBoolean = (value: number) => value === 0 || value === 1;
const ROW_WISE: Record<string, { arity: number; f: (left: number, right: number) => number | undefined }> = {
  '+': { arity: 2, f: (l, r) => l + r },
  '-': { arity: 2, f: (l, r) => l - r },
  '*': { arity: 2, f: (l, r) => l * r },
  '/': { arity: 2, f: (l, r) => (r === 0 ? undefined : l / r) },
  '^': { arity: 2, f: (l, r) => (l === 1 || (l === -1 && Math.abs(r) === Infinity) ? 1 : l ** r) },
  min: { arity: 2, f: (l, r) => (Number.isNaN(l) || r < l ? r : l) },
  max: { arity: 2, f: (l, r) => (Number.isNaN(l) || r > l ? r : l) },
  '>': { arity: 2, f: (l, r) => Number(l > r) },
  '<': { arity: 2, f: (l, r) => Number(l < r) },
  '>=': { arity: 2, f: (l, r) => Number(l >= r) },
  '<=': { arity: 2, f: (l, r) => Number(l <= r) },
  '==': { arity: 2, f: (l, r) => Number(l === r) },
  '&': { arity: 2, f: (l, r) => (isBoolean(l) && isBoolean(r) ? Number(l === 1 && r === 1) : undefined) },
  '|': { arity: 2, f: (l, r) => (isBoolean(l) && isBoolean(r) ? Number(l === 1 || r === 1) : undefined) },
  exp: { arity: 1, f: (x) => Math.exp(x) },
  log: { arity: 1, f: (x) => (x <= 0 ? undefined : Math.log(x)) },
  abs: { arity: 1, f: (x) => Math.abs(x) },
};

function wholeVector(token: string, values: number[], round: (value: number) => number): number[] | undefined {
  if (token === 'percentile_rank') {
    if (values.every((value, row) => row === 0 || value === values[row - 1])) return values.map(() => 1);
    return values.map((_, row) => round(row / (values.length - 1)));
  }
  const ordinary = values.filter((value) => !Number.isNaN(value));
  if (token === 'norm_min_max') {
    // Of two zeros the first counts: the language leaves open which is the smaller, and `Math.min` says −0.
    const low = ordinary.toSorted((left, right) => left - right)[0] ?? Infinity;
    const high = Math.max(...ordinary);
    const range = round(high - low);
    return values.map((value) => (range === 0 ? 1 : round(round(value - low) / range)));
  }
  if (values.length === 1) return [1];
  if (ordinary.length < values.length) return undefined;
  const sorted = ordinary.sort((left, right) => left - right);
  const percentile = (percent: number): number => {
    if (percent === 0) return sorted[0]!;
    const index = round(round(percent / 100) * (sorted.length - 1));
    const below = Math.floor(index);
    if (below === sorted.length - 1) return sorted[below]!;
    if (below === index) return sorted[below]!;
    return round(sorted[below]! + round(round(sorted[below + 1]! - sorted[below]!) * round(index - below)));
  };
  let [low, high] = token.endsWith('99') ? [percentile(0), percentile(99)] : [percentile(5), percentile(95)];
  if (low === high) [low, high] = [1, 2];
  return values.map((value) => round(round(value - low!) / round(high! - low!)));
}
