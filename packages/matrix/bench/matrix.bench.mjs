// Times of the hot paths, in µs per request of 100 rows. Run it on the build: `pnpm build && node bench/matrix.bench.mjs`.
import {
  allRows,
  Block,
  CellStatus,
  columnRef,
  compileGather,
  createBlockShape,
  createConvertJob,
  DataType,
  encodeValue,
  IdentityTable,
  Layout,
  Matrix,
  MemoryPool,
  resolveConversion,
  sourceOf,
} from '../dist/index.js';

const rows = 100;
const pool = new MemoryPool();

/** Best of 24 runs, after a warm-up: other work on the machine only ever adds. */
function time(label, run, perRun = 1, unit = 'µs') {
  const times = [];
  for (let round = 0; round < 25; round++) {
    const repeats = 1000;
    const start = performance.now();
    for (let index = 0; index < repeats; index++) run();
    times.push(((performance.now() - start) * 1000) / repeats);
  }
  const best = Math.min(...times.slice(1)) / perRun;
  console.log(`${label.padEnd(64)} ${best.toFixed(best < 1 ? 3 : 2).padStart(9)} ${unit}`);
}

function floatSlots(prefix, count, type = DataType.FP32, width = 4) {
  return Array.from({ length: count }, (_, index) => ({ name: `${prefix}${index}`, type, width }));
}

/** Values between −300 and 300, as features have them. */
function fill(block) {
  for (let row = 0; row < block.rowCount; row++) {
    block.shape.slots.forEach(({ type }, slot) =>
      block.memory.bytes.set(encodeValue(type, Math.sin(row * 40 + slot) * 300), row * block.shape.stride + block.shape.offsets[slot]),
    );
  }
  block.markRows(0, block.rowCount, CellStatus.fresh);
}

function gatherOf(blocks, sources, v2Type, shape) {
  const matrix = new Matrix(new Layout(blocks.map((block) => block.shape)), rows, pool);
  blocks.forEach((block, index) => matrix.setBlock(index, block));
  const program = compileGather({ sources, layout: matrix.layout, v2Type, shape, compat: false });
  const set = allRows(rows);
  program.prepare(matrix, null, set);
  const target = new Uint8Array(program.byteLength(matrix, null, set, 0, rows) + 5);
  return {
    label: program.describe(),
    run: () => {
      program.prepare(matrix, null, set);
      program.write(matrix, null, set, 0, rows, target, 5);
    },
    write: () => program.write(matrix, null, set, 0, rows, target, 5),
  };
}

// W1: 40 FP32 features of one component, no key repeats.
const w1 = Block.create(pool, createBlockShape(floatSlots('f', 40)), rows, { rowMapRows: rows });
for (let row = 0; row < rows; row++) w1.mapRow(row, row);
fill(w1);
const copy = gatherOf(
  [w1],
  floatSlots('f', 40).map((_, index) => sourceOf(columnRef(0, index))),
  'FP32',
  [40],
);
time(`W1 ${copy.label}: 100 × 40 FP32, prepare and write`, copy.run);
time(`W1 ${copy.label}: write alone`, copy.write);

// W3: a row of 480 bytes out of four blocks: own rows, repeated keys, another component, broadcast.
const w3 = [50, 30, 20, 20].map((count, index) => {
  const block = Block.create(
    pool,
    createBlockShape(floatSlots(`b${index}_`, count)),
    [rows, 12, rows, 1][index],
    index === 3 ? {} : { rowMapRows: rows },
  );
  if (index < 3) for (let row = 0; row < rows; row++) block.mapRow(row, index === 1 ? row % 12 : row);
  fill(block);
  return block;
});
const mixed = gatherOf(
  w3,
  w3.flatMap((block, index) => block.shape.slots.map((_, slot) => sourceOf(columnRef(index, slot)))),
  'FP32',
  [120],
);
time(`W3 ${mixed.label}: 100 rows × 480 bytes from 4 blocks`, mixed.run);

// A row out of order, so that every feature is a run of its own.
const scattered = gatherOf(
  [w1],
  floatSlots('f', 40).map((_, index) => sourceOf(columnRef(0, (index * 7) % 40))),
  'FP32',
  [40],
);
time(`${scattered.label}: 100 × 40 FP32 in another order`, scattered.run);

for (const [from, to, v2, width] of [
  [DataType.FP16, DataType.FP32, 'FP32', 2],
  [DataType.FP32, DataType.FP16, 'FP16', 4],
  [DataType.FP64, DataType.FP32, 'FP32', 8],
  [DataType.FP8E4M3, DataType.FP32, 'FP32', 1],
  [DataType.Int64, DataType.FP32, 'FP32', 8],
  [DataType.FP32, DataType.Int32, 'INT32', 4],
  [DataType.FP32, DataType.Int64, 'INT64', 4],
  [DataType.Int64, DataType.Int32, 'INT32', 8],
]) {
  const block = Block.create(pool, createBlockShape(floatSlots(`t${from}_`, 40, from, width)), rows);
  fill(block);
  const program = gatherOf(
    [block],
    Array.from({ length: 40 }, (_, slot) => sourceOf(columnRef(0, slot))),
    v2,
    [40],
  );
  const name = (type) => Object.keys(DataType)[Object.values(DataType).indexOf(type)];
  time(`convert ${name(from)} → ${name(to)}, per cell`, program.run, 4000 / 1000, 'ns');
}

// One column of a wide row: the same loops with a stride.
const job = createConvertJob();
const strided = Block.create(pool, createBlockShape(floatSlots('d', 40, DataType.FP64, 8)), rows);
fill(strided);
Object.assign(job, {
  source: strided.memory.bytes,
  sourceView: strided.memory.view,
  starts: Int32Array.from({ length: rows }, (_, row) => row * 320),
  to: rows,
  targetStride: 160,
});
job.target = new Uint8Array(16000);
job.targetView = new DataView(job.target.buffer);
const convert = resolveConversion(DataType.FP64, DataType.FP32, false);
time(
  'convert FP64 → FP32, 40 single columns of 100 rows, per cell',
  () => {
    for (let column = 0; column < 40; column++) {
      job.sourceOffset = column * 8;
      job.targetAt = column * 4;
      convert(job);
    }
  },
  4000 / 1000,
  'ns',
);

// Keys and their text.
const message = new TextEncoder().encode(Array.from({ length: rows }, (_, row) => `product-${1000000 + row * 37}`).join(''));
const keys = Block.create(pool, createBlockShape([{ name: 'id', type: DataType.String }]), rows, { externalHeap: message });
for (let row = 0; row < rows; row++) keys.setRange(row, 0, row * 15, 15, CellStatus.provided);
const prices = Block.create(pool, createBlockShape([{ name: 'price', type: DataType.FP32, width: 4 }]), rows);
for (let row = 0; row < rows; row++) prices.memory.view.setFloat32(row * 4, Math.fround(row * 17.371), true);
prices.markRows(0, rows, CellStatus.fresh);
const layout = new Layout([keys.shape, prices.shape]);
const matrix = new Matrix(layout, rows, pool);
keys.isShared = true;
prices.isShared = true;
const table = new IdentityTable();
matrix.setBlock(0, keys);
matrix.setBlock(1, prices);
const columns = [matrix.text(sourceOf(columnRef(0, 0)), 'key')];
const set = allRows(rows);
time('identity table: 100 distinct keys of 15 bytes', () => table.build(columns, set));
time('text of 100 request ids (ranges into the message)', () => {
  matrix.release();
  matrix.reopen(rows);
  matrix.setBlock(0, keys);
  matrix.text(sourceOf(columnRef(0, 0)), 'key');
});
time('text of 100 FP32 (shortest digits)', () => {
  matrix.release();
  matrix.reopen(rows);
  matrix.setBlock(1, prices);
  matrix.text(sourceOf(columnRef(1, 0)), 'answer');
});

// A block's life: take memory, mark, release.
const shape = createBlockShape(floatSlots('f', 40));
time('block of 100 × 40: create, mark all rows, release', () => {
  const block = Block.create(pool, shape, rows);
  block.markRows(0, rows, CellStatus.fresh);
  block.release(pool);
});
console.log(`memory pieces still out: ${pool.outstanding}`);
