// node packages/proto/bench/walk.mjs      (after npm run build)
// The walk over a feature answer in TypeScript and in WebAssembly, the copy into its memory included. Rounds are taken in turn; medians.
import { compileWalk, findFeatureRows, putLength, WalkScratch, WasmWalk, walkFeatureRows } from '@inferflow/proto/hot';

const rowCount = 50;
const rounds = 41;
const roundMs = 5;
const statuses = { present: 2, missing: 8, failed: 10 };
const cycle = [4, 4, 8, 4, 16, 4, 4, 32, 4, 64, 128];

const cases = [
  ['40 cells of 4 bytes', rowCount, Array.from({ length: 40 }, () => 4), 0],
  ['the same, 5 % of the cells empty', rowCount, Array.from({ length: 40 }, () => 4), 0.05],
  ['31 cells of 4 to 128 bytes', rowCount, Array.from({ length: 31 }, (_, cell) => cycle[cell % cycle.length]), 0],
  ['the same, 5 % empty', rowCount, Array.from({ length: 31 }, (_, cell) => cycle[cell % cycle.length]), 0.05],
  ['20 cells of 8 bytes', rowCount, Array.from({ length: 20 }, () => 8), 0],
  ['one row, 5 cells of 4 bytes', 1, Array.from({ length: 5 }, () => 4), 0],
];

/** Rows as `retrieve.Result` has them; every cell with its own bytes, some without any. */
function answer(rows, widths, emptyShare) {
  const parts = [];
  let state = 1;
  for (let row = 0; row < rows; row++) {
    const body = Buffer.alloc(64 + widths.reduce((sum, width) => sum + width + 4, 0));
    let at = putLength(body, 0, 1, 8);
    at += body.write(`item-${String(row).padStart(3, '0')}`, at);
    for (const width of widths) {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      const length = state / 2 ** 32 < emptyShare ? 0 : width;
      at = putLength(body, at, 2, length);
      body.fill(state & 0xff, at, at + length);
      at += length;
    }
    const head = Buffer.alloc(8);
    parts.push(head.subarray(0, putLength(head, 0, 4, at)), body.subarray(0, at));
  }
  return new Uint8Array(Buffer.concat(parts));
}

function specOf(widths) {
  const offsets = new Uint32Array(widths.length);
  let stride = 0;
  widths.forEach((width, slot) => {
    offsets[slot] = stride;
    stride += width;
  });
  const layout = { offsets, widths: Uint32Array.from(widths), isVariable: widths.map(() => false), stride };
  return compileWalk(
    layout,
    widths.map((_, slot) => ({ slot })),
    statuses,
  );
}

function microseconds(walk) {
  let count = 0;
  const start = performance.now();
  let now = start;
  for (; now - start < roundMs; now = performance.now()) {
    for (let index = 0; index < 20; index++) walk();
    count += 20;
  }
  return ((now - start) * 1000) / count;
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
console.log(`Node ${process.version}\n\n| Answer | TypeScript | WebAssembly | |\n|---|---|---|---|`);
const plain = new WalkScratch();
const wasm = new WalkScratch(WasmWalk.create());
for (const [name, rows, widths, emptyShare] of cases) {
  const message = answer(rows, widths, emptyShare);
  const spec = specOf(widths);
  const start = findFeatureRows(message, 0, message.length);
  const walks = [plain, wasm].map((scratch) => () => {
    if (walkFeatureRows(message, start, message.length, spec, rows, scratch) !== rows) throw new Error(`${name}: not read`);
  });
  const times = walks.map(() => []);
  for (let round = 0; round < rounds; round++) walks.forEach((walk, index) => times[index].push(microseconds(walk)));
  const [typescript, webassembly] = times.map(median);
  const digits = typescript < 1 ? 2 : 1;
  console.log(
    `| ${name} | ${typescript.toFixed(digits)} µs | ${webassembly.toFixed(digits)} µs | ×${(typescript / webassembly).toFixed(1)} |`,
  );
}
