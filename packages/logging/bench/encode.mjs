// node packages/logging/bench/encode.mjs   (after a build): time to encode a request of 100 rows × 41 FP32 columns, per format
import { Block, CellStatus, createBlockShape, DataType, Layout, Matrix, MemoryPool, sourceOf } from '@inferflow/matrix';
import { logFeature, RecordEncoder } from '../dist/index.js';

const rowCount = 100;
const names = Array.from({ length: 40 }, (_, index) => `it:stats:f${index}`);
const pool = new MemoryPool();
const ids = createBlockShape([{ name: 'item', type: DataType.String }]);
const stats = createBlockShape(names.map((name) => ({ name, type: DataType.FP32, width: 4 })));
const score = createBlockShape([{ name: 'score', type: DataType.FP32, width: 4 }]);
const layout = new Layout([ids, stats, score]);
const matrix = new Matrix(layout, rowCount, pool);
for (const [index, shape] of [ids, stats, score].entries()) {
  const block = new Block().open(pool, shape, rowCount);
  for (let row = 0; row < rowCount; row++) {
    for (let slot = 0; slot < shape.slots.length; slot++) {
      const bytes = index === 0 ? Buffer.from(`item-${row}`) : Buffer.from(new Float32Array([row + slot]).buffer);
      block.setBytes(row, slot, bytes, 0, bytes.length, CellStatus.fresh);
    }
  }
  matrix.setBlock(index, block);
}
const features = [...names, 'score'].map((name) => logFeature(name, 'FP32'));
const schema = { modelConfigId: 'm', configHash: 'h', version: 1, features };
const response = { features: ['item'], idColumn: 'item', loggingPercent: 100, logFeatures: false, logBatchSize: 0 };
const config = { modelConfigId: 'm', hash: 'h', cache: { version: 1 }, components: [], response };
const record = {
  trackingId: 'tracking-1',
  userId: 'user-1',
  rowCount,
  plan: { modelConfigId: 'm', config, configHash: 'h', compat: false },
  matrix,
  target: (name) => sourceOf(layout.ref(name)),
};

let bytes = 0;
const encoder = new RecordEncoder({ encoded: ({ value }) => (bytes += value.length), lost: console.error, unfit: console.error });
for (const format of ['proto', 'arrow', 'parquet']) {
  const task = { record, parentEntity: '', schema, format, zstd: null, topic: 't', maxRecordBytes: 1e6, createdAtMs: Date.now() };
  const run = (count) => {
    const started = performance.now();
    for (let turn = 0; turn < count; turn++) for (const _ of encoder.encode(task));
    return ((performance.now() - started) / count) * 1000;
  };
  run(2000);
  bytes = 0;
  const best = Math.min(...Array.from({ length: 5 }, () => run(1000)));
  console.log(`${format.padEnd(8)} ${best.toFixed(1)} µs a request, ${Math.round(bytes / 5000)} bytes`);
}
