import { create } from '@bufbuild/protobuf';
import { component, createRegistry, defineComponent, PENDING, readColumn, writeColumns } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelConfig } from './testing/model-config.js';

type Run = Parameters<Parameters<typeof component>[0]['execute']>[0];

/** Things that plain JavaScript lets a plugin do. */
const behaviours: Readonly<Record<string, (run: Run) => unknown>> = {
  rows: (run) => run.failRows(0, 1, undefined as never),
  reason: (run) => run.failRows(0, 1, { reason: 'user 4711', message: 'm', grpcCode: 0, componentName: 'p' } as never),
  failed: (run) => {
    queueMicrotask(() => run.failed('just so' as never));
    return PENDING;
  },
  twoArguments: (run) => {
    (run.writes as unknown as { a: { setAll(values: number[]): void } }).a.setAll([1, 2]);
    (run.failRows as unknown as (row: number, failure: object) => void)(0, { reason: 'rejected', message: 'm', grpcCode: 0 });
  },
  range: (run) => run.failRows(Number.NaN, Number.POSITIVE_INFINITY, { reason: 'rejected', message: 'm', grpcCode: 0 } as never),
  outside: (run) => (run.writes as unknown as { a: { setNumber(row: number, value: number): void } }).a.setNumber(99, 1),
  nothing: () => 42,
  throwsNothing: () => {
    throw undefined;
  },
  rejectsNothing: () => Promise.reject(undefined),
  lateThen: () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tried
    then(resolve: () => void) {
      resolve();
      resolve();
    },
  }),
  throwingThen: () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tried
    then() {
      throw new Error('no thenable');
    },
  }),
};

const odd = defineComponent({
  type: 'odd',
  apiVersion: 1,
  parseConfig: (raw: unknown) => raw as { readonly behaviour: string },
  create: ({ behaviour }) =>
    component({
      reads: { v: readColumn('v') },
      writes: { a: writeColumns({ name: 'a', type: DataType.FP32 }) },
      createState() {
        if (behaviour === 'stateless') throw new Error('no state');
      },
      execute: (run) => behaviours[behaviour]?.(run as never) as undefined,
    }),
});

describe('plugins that do not keep the contract', () => {
  it.each([
    ['rows', /^p: exception: the component failed and did not say why/],
    ['reason', /^p: exception: m/],
    ['failed', /^p: exception: just so/],
    ['twoArguments', /^p: exception: the component failed and did not say why/],
    ['range', /^p: /],
    ['stateless', /^p: exception: component "p" threw: no state/],
    ['outside', /^p: exception: component "p" threw: .*outside a block/],
    ['nothing', /^p: not-written/],
    ['throwsNothing', /^p: exception: /],
    ['rejectsNothing', /^p: exception: /],
    ['lateThen', /^p: not-written/],
    ['throwingThen', /^p: exception: component "p" threw: no thenable/],
  ])('have errors in their rows, in time, and no labels of their own: %s', async (behaviour, error) => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({ plugins: [{ component: 'p', type: 'odd', config: { behaviour } }], answer: ['item', 'a'] }),
      }),
      registry: createRegistry().register(odd),
      telemetry,
    });
    for (let time = 0; time < 3; time++) {
      const answer = await engine.inferPointWise(
        create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id: 'x' }, { id: 'y' }] }),
        { deadlineMs: 3000 },
      );
      expect(answer.targetScores[0]?.error).toMatch(error);
    }
    expect(await telemetry.prometheusText()).not.toContain('4711');
    await engine.close();
    await telemetry.close();
  });

  it.each<[string, object, string]>([
    [
      'create answers nothing',
      { create: () => undefined },
      '`create` of component type "odd" must return component({ reads, writes, execute })',
    ],
    ['create answers declarations', { create: () => ({ reads: {}, writes: {}, execute() {} }) }, 'must return component({'],
    ['create is asynchronous', { create: async () => odd.create({ behaviour: 'nothing' }, undefined as never) }, 'answered a promise'],
    ['parseConfig is asynchronous', { parseConfig: async () => ({}) }, '`parseConfig` of component type "odd" answered a promise'],
  ])('are refused with their model when it is loaded: %s', async (_, own, text) => {
    const model = (type: string) => modelConfig({ plugins: [{ component: 'p', type, config: {} }], answer: ['item', 'a'] });
    const engine = await createEngine({
      configSource: createObjectSource({ bad: model('odd'), good: model('even') }),
      registry: createRegistry()
        .register({ ...odd, ...own } as never)
        .register({ ...odd, type: 'even' }),
    });
    const problems = engine.snapshot.models.get('bad')?.problems.filter(({ severity }) => severity === 'error');
    expect(problems).toEqual([
      expect.objectContaining({ path: '$.component_config.p', message: expect.stringContaining(`component "p" could not be made: `) }),
    ]);
    expect(problems?.[0]?.message).toContain(text);
    expect(engine.snapshot.models.get('good')?.state).toBe('live');
    await engine.close();
  });
});
