// Component types that break every rule there is. `config.mode` says which; `config.only` limits it to some requests by a header.
import { component, defineComponent, PENDING, readColumn, writeColumns } from '../../../packages/components/dist/index.js';
import { DataType } from '../../../packages/matrix/dist/index.js';

const scribbled = new Set();

const modes = {
  fine: (run) => {
    for (let row = 0; row < run.rows.count; row++) run.writes.out.setNumber(row, run.reads.score.number(row) + 1);
  },
  'throws-error': () => {
    throw new Error('this plugin never works');
  },
  'throws-nothing': () => {
    throw undefined;
  },
  rejects: async () => {
    await null;
    throw new Error('rejected on purpose');
  },
  'never-resolves': () => new Promise(() => {}),
  'pending-forever': () => PENDING,
  'ends-twice': (run) => {
    setImmediate(() => {
      for (let row = 0; row < run.rows.count; row++) run.writes.out.setNumber(row, run.reads.score.number(row) + 1);
      run.done();
      run.done();
      run.failed({ reason: 'exception', message: 'too late' });
    });
    return PENDING;
  },
  'writes-nothing': () => {},
  'beyond-its-rows': (run) => {
    run.writes.out.setNumber(run.rows.count + 5, 4242);
    run.writes.out.setNumber(-1, 4242);
  },
  'beyond-its-columns': (run) => {
    const { block } = run;
    for (let row = 0; row < run.rows.count; row++) run.writes.out.setNumber(row, run.reads.score.number(row) + 1);
    block.setBytes(0, 99, new Uint8Array([1, 2, 3, 4]), 0, 4, 2);
  },
  'into-what-it-reads': (run) => {
    // A reader is no writer; whatever is tried, the column of another component must stay as it is.
    for (const name of ['setNumber', 'setBytes', 'setValue', 'mark']) run.reads.score[name]?.(0, 4242);
    for (let row = 0; row < run.rows.count; row++) run.writes.out.setNumber(row, run.reads.score.number(row) + 1);
  },
  // Ignores its end and goes on scribbling over whatever it still holds.
  'writes-late': async (run) => {
    const { out } = run.writes;
    const count = run.rows.count;
    let block;
    try {
      block = run.block;
    } catch {
      block = undefined;
    }
    // Past the deadline of the request.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const timer = setInterval(() => {
      try {
        for (let row = 0; row < count; row++) out.setNumber(row, 666);
        block?.memory.bytes.fill(0x5a, 0, 64);
      } catch {
        // Refused: even better.
      }
    }, 5);
    scribbled.add(timer);
    setTimeout(() => clearInterval(timer), 3000);
    await new Promise((resolve) => setTimeout(resolve, 3000));
  },
};

const misbehaving = defineComponent({
  type: 'soak_misbehaving',
  apiVersion: 1,
  parseConfig(raw) {
    if (raw === null || typeof raw !== 'object' || !(raw.mode in modes))
      throw new Error(`mode must be one of ${Object.keys(modes).join(', ')}`);
    return raw;
  },
  create(config) {
    return component({
      reads: { score: readColumn('score') },
      writes: { out: writeColumns({ name: 'plugin_score', type: DataType.FP32 }) },
      execute: modes[config.mode],
    });
  },
});

const throwsAtCreate = defineComponent({
  type: 'soak_throws_at_create',
  apiVersion: 1,
  parseConfig: (raw) => raw,
  create() {
    throw new Error('cannot be made');
  },
});

export const components = [misbehaving, throwsAtCreate];
