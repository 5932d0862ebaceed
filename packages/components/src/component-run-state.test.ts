import { type BlockShape, CellStatus, type ColumnWriter, createBlockShape, DataType, inlineVectors } from '@inferflow/matrix';
import { describe, expect, it } from 'vitest';
import type { ComponentRun } from './component-run.js';
import { component, defineComponent, PENDING } from './define-component.js';
import { createFailure } from './failure.js';
import { type ColumnRead, readColumn } from './reads.js';
import { runComponent, TestBench } from './testing/index.js';
import { type ColumnWrite, writeColumns } from './writes.js';

type Run = ComponentRun<{ readonly x: ColumnRead }, { readonly y: ColumnWrite }>;

/** A component that reads x and writes y, with the behaviour of the test. */
function define(execute: (run: Run) => void | Promise<void> | typeof PENDING, cancelled?: (run: Run) => void) {
  return defineComponent({
    type: 'tested',
    apiVersion: 1,
    parseConfig: () => null,
    create: () =>
      component({
        reads: { x: readColumn('x') },
        writes: { y: writeColumns({ name: 'y', type: DataType.FP32 }) },
        execute,
        ...(cancelled === undefined ? {} : { cancelled }),
      }),
  });
}

const options = { config: null, columns: { x: [1, 2, 3] } };
const copy = (run: Run) => copyFrom(run, 0);
const copyFrom = (run: Run, first: number) => {
  for (let row = first; row < run.rows.count; row++) run.writes.y.setNumber(row, run.reads.x.number(row));
};
const failure = createFailure('rejected', 'no', 'tested');
const throwHalfWay = (): never => {
  throw new Error('half way');
};

describe('a component run', () => {
  it('ends inside begin when execute returns nothing', () => {
    const bench = new TestBench(define(copy), options);
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    expect(request.ends).toBe(1);
    expect(state.busy).toBe(false);
    expect(request.written('target')?.counts[CellStatus.fresh]).toBe(3);
  });

  it('ends when a promise settles', async () => {
    const run = await runComponent(
      define(async (own) => {
        await Promise.resolve();
        copy(own);
      }),
      options,
    );
    expect(run.columns['y']).toEqual([1, 2, 3]);
    const broken = await runComponent(
      define(() => Promise.reject(new Error('lost'))),
      options,
    );
    expect(broken.failure).toMatchObject({ reason: 'exception', componentName: 'tested', message: 'component "tested" threw: lost' });
    expect(broken.status['y']).toEqual(['failed', 'failed', 'failed']);
  });

  it('turns a throw into its own failure', async () => {
    const result = await runComponent(
      define((run) => {
        run.writes.y.setNumber(0, 5);
        throw new TypeError('oops');
      }),
      options,
    );
    expect(result.failure?.message).toBe('component "tested" threw: oops');
    expect(result.columns['y']).toEqual([5, null, null]);
  });

  it('gives the writers of a group to who asks before there is a block, and takes them away at the end', () => {
    const columns = [
      { name: 'p', type: DataType.FP32 },
      { name: 'q', type: DataType.FP32 },
    ];
    const held: ColumnWriter[] = [];
    const definition = defineComponent({
      type: 'grouped',
      apiVersion: 1,
      parseConfig: () => null,
      create: () =>
        component({
          reads: {},
          writes: { out: writeColumns(columns, { rows: 'own' }) },
          execute(run) {
            held.push(...run.writes.out.columns);
            run.createBlock(run.rows.count);
            for (let row = 0; row < run.rows.count; row++) for (const writer of held) writer.setNumber(row, row);
          },
        }),
    });
    const bench = new TestBench(definition, options);
    const state = bench.createState();
    const request = bench.createRequest();
    request.begin(state);
    expect(request.written('target')?.counts[CellStatus.fresh]).toBe(6);
    state.end();
    expect(() => held[0]?.setNumber(0, 1)).toThrow();
    expect(() => held[1]?.setNumber(0, 1)).toThrow();
    // The next request of the same run, which asks for nothing before it needs it.
    held.length = 0;
    const next = bench.createRequest();
    next.begin(state);
    expect(next.written('target')?.counts[CellStatus.fresh]).toBe(6);
  });

  it('may lay out its own block with the lengths that it has learned, but not with other columns', async () => {
    const declared = createBlockShape([{ name: 'y', type: DataType.FP32Vector }]);
    const definition = (shape: BlockShape) =>
      defineComponent({
        type: 'tested',
        apiVersion: 1,
        parseConfig: () => null,
        create: () =>
          component({
            reads: {},
            writes: { y: writeColumns([{ name: 'y', type: DataType.FP32Vector }], { rows: 'own' }) },
            execute(run) {
              const block = run.createBlock(1, { shape });
              block.setBytes(0, 0, new Uint8Array(8), 0, 8, CellStatus.fresh);
            },
          }),
      });
    const learned = inlineVectors(declared, () => 8);
    expect((await runComponent(definition(learned), options)).columns['y']).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    const other = createBlockShape([
      { name: 'y', type: DataType.FP32Vector },
      { name: 'z', type: DataType.FP32, width: 4 },
    ]);
    expect((await runComponent(definition(other), options)).failure?.message).toContain('a shape of other columns than it declared');
  });

  it('marks cells that were not written', async () => {
    const result = await runComponent(
      define((run) => void run.writes.y.setNumber(1, 5)),
      options,
    );
    expect(result.failure).toBeNull();
    expect(result.status['y']).toEqual(['failed', 'fresh', 'failed']);
    expect(result.faults.map(({ from, to, failure: { reason } }) => [from, to, reason])).toEqual([
      [0, 1, 'not-written'],
      [2, 3, 'not-written'],
    ]);
  });

  it('keeps what stands when rows fail, and ignores rows outside', async () => {
    const result = await runComponent(
      define((run) => {
        copy(run);
        run.failRows(1, 2, failure);
        run.failRows(2, 3, failure);
        run.failRows(-5, 0, failure);
        run.failRows(2, 99, failure);
      }),
      options,
    );
    expect(result.faults.map(({ from, to }) => [from, to])).toEqual([
      [1, 3],
      [2, 3],
    ]);
    expect(result.failure).toBeNull();
  });

  it('tells of no request what another lost', async () => {
    const reasons = ['no value for secret-1', ''];
    const bench = new TestBench(
      define((run) => {
        copy(run);
        const reason = reasons.shift();
        if (reason === undefined) return;
        if (reason === '') run.block.markCell(1, 0, CellStatus.failed);
        else run.writes.y.fail(1, reason);
      }),
      options,
    );
    const state = bench.createState();
    const told: (readonly string[])[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const request = bench.createRequest();
      request.begin(state);
      told.push(Array.from({ length: state.faults.count }, (_, fault) => state.faults.failure(fault).message));
      state.end();
      request.release();
    }
    expect(told).toEqual([['column "y": no value for secret-1'], ['column "y": the value could not be had'], []]);
  });

  it('has reasons of its own for every request, however many there were', () => {
    let number = 0;
    const bench = new TestBench(
      define((run) => {
        run.writes.y.fail(0, `reason ${number}`);
        copyFrom(run, 1);
      }),
      options,
    );
    const state = bench.createState();
    for (; number < 150; number++) {
      const request = bench.createRequest();
      request.begin(state);
      expect(state.faults.failure(0).message).toBe(`column "y": reason ${number}`);
      state.end();
      request.release();
    }
  });

  it('takes exactly one end after PENDING and counts the others', () => {
    const ends: [string, (run: Run) => void][] = [
      ['done', (run) => run.done()],
      ['failed', (run) => run.failed(failure)],
    ];
    for (const [name, end] of ends) {
      let own: Run | undefined;
      const bench = new TestBench(
        define((run) => {
          own = run;
          copy(run);
          return PENDING;
        }),
        options,
      );
      const request = bench.createRequest();
      const state = bench.createState();
      request.begin(state);
      expect([request.ends, state.busy]).toEqual([0, true]);
      end(own as Run);
      end(own as Run);
      expect([request.ends, state.busy, bench.binding.lateEnds]).toEqual([1, false, 1]);
      expect(request.failure === null).toBe(name === 'done');
    }
  });

  it('may end before execute returns PENDING', () => {
    const bench = new TestBench(
      define((run) => {
        copy(run);
        run.done();
        return PENDING;
      }),
      options,
    );
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    expect([request.ends, state.busy]).toEqual([1, false]);
  });

  it('takes whatever is no promise as done', async () => {
    for (const returned of [5, 'x', null, {}]) {
      const result = await runComponent(
        define((run) => {
          copy(run);
          return returned as unknown as typeof PENDING;
        }),
        options,
      );
      expect(result.columns['y']).toEqual([1, 2, 3]);
    }
  });

  it('stays busy until its promise settles, whatever it said before', async () => {
    let release = () => {};
    const bench = new TestBench(
      define((run) => {
        copy(run);
        run.done();
        return new Promise<void>((resolve) => {
          release = resolve;
        });
      }),
      options,
    );
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    expect([request.ends, state.busy]).toEqual([1, true]);
    release();
    await Promise.resolve();
    expect([request.ends, state.busy]).toEqual([1, false]);
  });

  it('is given up when it ignores the end of its request, and stays busy until it notices', () => {
    let own: Run | undefined;
    const bench = new TestBench(
      define((run) => {
        own = run;
        return PENDING;
      }),
      options,
    );
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    request.cancel(state, 'deadline');
    expect(request.failure?.reason).toBe('deadline');
    expect(state.busy).toBe(true);
    expect(() => request.begin(state)).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_CONTRACT' }));
    own?.done();
    expect([request.ends, state.busy]).toEqual([1, false]);
  });

  it.each([
    ['its request is over', (): typeof PENDING => PENDING, 'cancelled'],
    ['`execute` threw, having started something', throwHalfWay, 'exception'],
  ] as const)('lets go through `cancelled` when %s, and stays busy if that throws', (_when, execute, reason) => {
    for (const throws of [false, true]) {
      let calls = 0;
      const letGo = () => {
        calls++;
        if (throws) throw new Error('no');
      };
      const bench = new TestBench(define(execute, letGo), options);
      const request = bench.createRequest();
      const state = bench.createState();
      request.begin(state);
      request.cancel(state);
      expect([calls, request.ends, request.failure?.reason, state.busy]).toEqual([1, 1, reason, throws]);
    }
  });

  it('refuses to be used after it ended', () => {
    let own: Run | undefined;
    const bench = new TestBench(
      define((run) => {
        own = run;
        copy(run);
      }),
      options,
    );
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    state.end();
    expect(() => own?.scope).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_RUN_ENDED' }));
    expect(() => own?.block).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_RUN_ENDED' }));
    expect(() => own?.writes.y.setNumber(0, 1)).toThrow();
  });

  it('cannot write outside its rows', async () => {
    const result = await runComponent(
      define((run) => {
        copy(run);
        run.writes.y.setNumber(3, 1);
      }),
      options,
    );
    expect(result.failure?.reason).toBe('exception');
  });

  it('skips a component that is not run', () => {
    const bench = new TestBench(define(copy), options);
    const request = bench.createRequest();
    bench.createState().skip(request.matrix, null);
    expect(request.written('target')?.counts[CellStatus.skipped]).toBe(3);
  });

  it('never takes a deadline beyond the request, less its reserve', () => {
    let deadlines: number[] = [];
    const bench = new TestBench(
      define((run) => {
        deadlines = [run.callDeadline(10) - performance.now(), run.callDeadline(10_000) - performance.now()];
        copy(run);
      }),
      { ...options, deadlineMs: 100 },
    );
    bench.createRequest().begin(bench.createState());
    expect(deadlines[0]).toBeLessThanOrEqual(10);
    expect(deadlines[1]).toBeLessThanOrEqual(100);
  });
});
