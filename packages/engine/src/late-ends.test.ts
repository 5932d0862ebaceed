import { create } from '@bufbuild/protobuf';
import { type ComponentRun, component, createRegistry, defineComponent, PENDING, readColumn, writeColumns } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelConfig } from './testing/model-config.js';
import { readRows, text } from './testing/read-answer.js';

const reads = { v: readColumn('v') };
const writes = { a: writeColumns({ name: 'a', type: DataType.FP32 }) };
type Run = ComponentRun<typeof reads, typeof writes>;
type Execute = (run: Run) => void | Promise<void> | typeof PENDING;

/** A model with one component, and how many private memories were made for it. */
async function start(execute: Execute, reusesRun = false) {
  let memories = 0;
  const createState = (): unknown => ++memories;
  const tested = defineComponent({
    type: 'tested',
    apiVersion: 1,
    parseConfig: () => null,
    create: () => component({ reads, writes, createState, reusesRun, execute: (run) => execute(run as Run) }),
  });
  const telemetry = createTelemetry({ prometheus: true, statsd: null });
  const engine = await createEngine({
    configSource: createObjectSource({
      m: modelConfig({ plugins: [{ component: 'p', type: 'tested', config: {} }], answer: ['item', 'a'] }),
    }),
    registry: createRegistry().register(tested),
    telemetry,
  });
  const ask = async (value: number) => {
    const targets = [{ id: 't', featureValues: [text(String(value))] }];
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, { modelConfigId: 'm', targetInputSchema: [{ name: 'v' }], targets }),
    );
    return [readRows(answer)[0]?.['a'], answer.targetScores[0]?.error];
  };
  const lateEnds = async () => /^inferflow_component_late_finish_total\{[^}]*\} (\d+)$/m.exec(await telemetry.prometheusText())?.[1];
  const close = async () => {
    await engine.close();
    await telemetry.close();
  };
  return { ask, lateEnds, close, memories: () => memories };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const echo = (run: Run): void => void run.writes.a.setNumber(0, run.reads.v.number(0));

describe('a plugin that speaks when its request is over', () => {
  const ways: [string, (run: Run) => void][] = [
    ['done', (run) => run.done()],
    ['failed', (run) => run.failed({ reason: 'rejected', message: 'late', grpcCode: 0, componentName: 'p' })],
    ['failRows', (run) => run.failRows(0, 1, { reason: 'rejected', message: 'late', grpcCode: 0, componentName: 'p' })],
    ['a write', ({ writes: { a } }) => expect(() => a.setNumber(0, 99)).toThrow()],
    ['a read', ({ reads: { v } }) => expect(v.hasValue(0)).toBe(false)],
  ];
  it.each(ways)('reaches no other request, after PENDING: %s', async (name, late) => {
    const runs: Run[] = [];
    const { ask, lateEnds, close } = await start((run) => {
      runs.push(run);
      return PENDING;
    });
    for (let value = 1; value <= 3; value++) {
      const asked = ask(value);
      await turn();
      for (const old of runs.slice(0, -1)) late(old);
      const own = runs.at(-1) as Run;
      echo(own);
      own.done();
      expect(await asked).toEqual([value, '']);
    }
    expect(await lateEnds()).toBe(name === 'done' || name === 'failed' ? '3' : undefined);
    await close();
  });

  it('reaches no other request after its promise has settled', async () => {
    const late: (() => void)[] = [];
    let go = () => {};
    const { ask, close } = await start(async (run) => {
      late.push(() => run.writes.a.setNumber(0, 99));
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      echo(run);
    });
    for (let value = 1; value <= 3; value++) {
      const asked = ask(value);
      await turn();
      for (const write of late.slice(0, -1)) expect(write).toThrow();
      go();
      expect(await asked).toEqual([value, '']);
    }
    await close();
  });

  it('reaches no other request after it threw', async () => {
    const runs: Run[] = [];
    const { ask, close } = await start((run) => {
      runs.push(run);
      if (runs.length === 1) throw new Error('but it has started something');
      return PENDING;
    });
    expect((await ask(1))[0]).toBe(null);
    const asked = ask(2);
    await turn();
    const [first, second] = runs as [Run, Run];
    first.done();
    echo(second);
    second.done();
    expect(await asked).toEqual([2, '']);
    await close();
  });
});

describe('the run of a plugin', () => {
  const ends: Readonly<Record<string, Execute>> = {
    'within execute': (run: Run) => echo(run),
    'with a promise': async (run: Run) => {
      await turn();
      echo(run);
    },
    'after PENDING': (run: Run) => {
      setImmediate(() => {
        echo(run);
        run.done();
      });
      return PENDING;
    },
  };
  it.each([
    ['within execute', false, 1],
    ['with a promise', false, 4],
    ['after PENDING', false, 4],
    ['with a promise', true, 1],
    ['after PENDING', true, 1],
  ] as const)('that ends %s (reusesRun: %s) has %i memories for three requests', async (end, reusesRun, expected) => {
    const { ask, memories, close } = await start(ends[end] as Execute, reusesRun);
    for (const value of [1, 2, 3]) expect(await ask(value)).toEqual([value, '']);
    expect(memories()).toBe(expected);
    await close();
  });
});
