import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { GrpcCode, GrpcError } from '@inferflow/transport';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createEngine } from './create-engine.js';
import type { CallOptions } from './engine.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { type PluginBehaviour, plugin, registryOf } from './testing/plugins.js';
import { text } from './testing/read-answer.js';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

async function engineOf(config: object, percent: number | undefined, behaviours: Readonly<Record<string, PluginBehaviour>> = {}) {
  const lines: Line[] = [];
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => lines.push({ level, message, ...fields });
  const base = config as { readonly component_config: object };
  const component_config = { ...base.component_config, ...(percent !== undefined && { error_logging_percent: percent }) };
  const engine = await createEngine({
    configSource: createObjectSource({ m: { ...base, component_config } }),
    registry: registryOf(behaviours),
    logger: { info: at('info'), warn: at('warn'), error: at('error') },
    featureStore: ({ keys }) => {
      throw new GrpcError(GrpcCode.UNAVAILABLE, `no row of ${keys.flat().join()}`);
    },
    models: {
      half: (inputs, { rowCount }) => {
        const values = inputs['in']?.data as Float32Array;
        if ((values[0] as number) > 2) throw new GrpcError(GrpcCode.INVALID_ARGUMENT, `value ${values[0]} is too large`);
        return Array.from({ length: rowCount }, () => 1);
      },
    },
  });
  return { engine, lines };
}

const request = (values: readonly string[] = ['1', '2'], trackingId = '') =>
  create(PointWiseRequestSchema, {
    modelConfigId: 'm',
    trackingId,
    targetInputSchema: [{ name: 'v' }],
    targets: values.map((value, row) => ({ id: `person-${row}`, featureValues: [text(value)] })),
  });

const asked = (id: string): CallOptions => ({ headers: { 'x-request-id': id } });
const stored = modelConfig({ features: [featureComponent('f', { g: ['DataTypeFP32', 'x'] })], answer: ['item', 'it:g:x'] });
const thrower: PluginBehaviour = () => {
  throw new Error('out of order');
};
const withPlugin = (onFailure?: string) => modelConfig({ plugins: [plugin('p', 'thrower', 'v', 'a', onFailure)], answer: ['item', 'a'] });

describe('FailureLog', () => {
  afterEach(() => void vi.restoreAllMocks());

  it('writes one line for a failed component, with the id of the request and nothing that the request or the service said', async () => {
    const { engine, lines } = await engineOf(stored, 100);
    await engine.inferPointWise(request(), asked('req-7'));
    expect(lines).toEqual([
      {
        level: 'warn',
        message: 'the service is not available',
        requestId: 'req-7',
        modelConfigId: 'm',
        configHash: engine.snapshot.models.get('m')?.hash,
        method: 'InferPointWise',
        component: 'f',
        reason: 'unavailable',
        grpcCode: GrpcCode.UNAVAILABLE,
      },
    ]);
    expect(JSON.stringify(lines)).not.toContain('person');
    await engine.close();
  });

  it('counts the rows when only some of them failed', async () => {
    const model = modelComponent('model', { in: ['FP32', 'v'] }, { model: 'half', batchSize: 2 });
    const { engine, lines } = await engineOf(modelConfig({ models: [model], answer: ['item', 'score'] }), 100);
    await engine.inferPointWise(request(['1', '2', '3']), asked('a'));
    expect(lines).toEqual([expect.objectContaining({ component: 'model', reason: 'rejected', rows: 1, grpcCode: 3 })]);
    expect(JSON.stringify(lines)).not.toContain('too large');
    await engine.close();
  });

  it('takes the tracking id where there is no request id, and makes one where neither looks like an id', async () => {
    const { engine, lines } = await engineOf(stored, 100);
    await engine.inferPointWise(request(['1'], 'track-1'));
    await engine.inferPointWise(request(['1'], 'track 2'), asked('two\nlines'));
    await engine.inferPointWise(request(['1'], 'x'.repeat(200)));
    expect(lines.map(({ requestId }) => requestId)).toEqual([
      'track-1',
      expect.stringMatching(/^[a-z0-9]{5}-[a-z0-9]+$/),
      expect.stringMatching(/^[a-z0-9]{5}-[a-z0-9]+$/),
    ]);
    expect(lines[1]?.['requestId']).not.toBe(lines[2]?.['requestId']);
    await engine.close();
  });

  it.each([
    [0, 0],
    [undefined, 4],
    [25, 10],
    [100, 40],
  ])('draws requests by an error_logging_percent of %s', async (percent, expected) => {
    const { engine, lines } = await engineOf(stored, percent);
    let draws = 0;
    vi.spyOn(Math, 'random').mockImplementation(() => (draws++ % 40) / 40);
    for (let run = 0; run < 40; run++) await engine.inferPointWise(request(['1'], 'id'));
    expect(lines).toHaveLength(expected);
    await engine.close();
  });

  it('draws once for a request: all of its failures are told, or none', async () => {
    const config = modelConfig({
      features: ['f', 'g', 'h'].map((name) => featureComponent(name, { [`${name}s`]: ['DataTypeFP32', 'x'] })),
      answer: ['item'],
    });
    const { engine, lines } = await engineOf(config, 50);
    for (let run = 0; run < 12; run++) await engine.inferPointWise(request(['1']), asked(`r${run}`));
    const perRequest = new Map<unknown, number>();
    for (const { requestId } of lines) perRequest.set(requestId, (perRequest.get(requestId) ?? 0) + 1);
    expect([...new Set(perRequest.values())]).toEqual(perRequest.size === 0 ? [] : [3]);
    await engine.close();
  });

  it('always tells of a component that throws, unless the model wants no lines', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.99);
    const { engine, lines } = await engineOf(withPlugin(), 1, { thrower });
    await engine.inferPointWise(request(), asked('t'));
    expect(lines).toEqual([
      expect.objectContaining({ level: 'error', component: 'p', reason: 'exception', message: 'component "p" threw: out of order' }),
    ]);
    await engine.close();
    const quiet = await engineOf(withPlugin(), 0, { thrower });
    await quiet.engine.inferPointWise(request(), asked('t'));
    expect(quiet.lines).toEqual([]);
    await quiet.engine.close();
  });

  it('tells of a request that was refused because a component failed, and of one that ran out of time', async () => {
    const failing = await engineOf(withPlugin('fail'), 100, { thrower });
    await expect(failing.engine.inferPointWise(request(), asked('x'))).rejects.toMatchObject({ kind: 'unavailable' });
    expect(failing.lines.map(({ level, component, reason }) => [level, component, reason])).toEqual([
      ['error', 'p', 'exception'],
      ['warn', 'p', 'INFERFLOW_ENGINE_COMPONENT_FAILED'],
    ]);
    await failing.engine.close();
    const stuck = modelConfig({ plugins: [plugin('p', 'stuck', 'v', 'a', 'fail')], answer: ['item', 'a'] });
    const late = await engineOf(stuck, 100, { stuck: () => new Promise(() => {}) });
    await expect(late.engine.inferPointWise(request(), { ...asked('y'), deadlineMs: 300 })).rejects.toMatchObject({
      kind: 'deadline_exceeded',
    });
    expect(late.lines.map(({ reason }) => reason)).toEqual(['deadline', 'INFERFLOW_ENGINE_DEADLINE_EXCEEDED']);
    await late.engine.close();
  });

  it('draws refused requests that are not valid, and keeps what they hold out of the line', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.05);
    const { engine, lines } = await engineOf(stored, 100);
    await expect(engine.inferPointWise({ ...request(), modelConfigId: 'secret-model' }, asked('z'))).rejects.toThrow('secret-model');
    expect(lines).toEqual([
      expect.objectContaining({ level: 'info', requestId: 'z', modelConfigId: '', reason: 'INFERFLOW_ENGINE_UNKNOWN_MODEL' }),
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
    vi.spyOn(Math, 'random').mockReturnValue(0.5);
    await expect(engine.inferPointWise(request([]), asked('z'))).rejects.toMatchObject({ kind: 'invalid_argument' });
    expect(lines).toHaveLength(1);
    await engine.close();
  });

  it('writes no line for a request whose caller left', async () => {
    const config = modelConfig({ plugins: [plugin('p', 'stuck', 'v', 'a')], answer: ['item', 'a'] });
    const { engine, lines } = await engineOf(config, 100, { stuck: () => new Promise(() => {}) });
    const controller = new AbortController();
    const answer = engine.inferPointWise(request(), { signal: controller.signal });
    controller.abort();
    await expect(answer).rejects.toMatchObject({ kind: 'cancelled' });
    expect(lines).toEqual([]);
    await engine.close();
  });

  it('bounds the lines a second and says how many it left out', async () => {
    const { engine, lines } = await engineOf(stored, 100);
    const started = performance.now();
    for (let run = 0; run < 300; run++) await engine.inferPointWise(request(['1']), asked('r'));
    expect(lines.length).toBeLessThanOrEqual(51 + ((performance.now() - started) * 50) / 1000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await engine.inferPointWise(request(['1']), asked('last'));
    const told = lines.reduce((sum, line) => sum + 1 + ((line['suppressedLines'] as number | undefined) ?? 0), 0);
    expect(lines.at(-1)).toMatchObject({ requestId: 'last' });
    expect(told).toBe(301);
    await engine.close();
  });
});
