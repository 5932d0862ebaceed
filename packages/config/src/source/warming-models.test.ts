import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { LONGEST_WARM_MS } from '../source.js';
import type { ConfigDocument } from './model-document.js';
import { SnapshotBuilder } from './snapshot-builder.js';

const document = (endpoint: string, sourceRevision = ''): ConfigDocument => ({
  text: JSON.stringify({
    dag_execution_config: { component_dependency: { feature_initializer: ['ranker'], ranker: [] } },
    component_config: {
      predator_component_config: {
        ranker: {
          model_name: 'm',
          model_endpoint: endpoint,
          inputs: { feature_map: { price: 'FP32' } },
          outputs: { score_columns: ['s'] },
        },
      },
    },
    response_config: { features: ['item', 'ranker:s'] },
  }),
  format: 'json',
  ...(sourceRevision !== '' && { sourceRevision }),
});

const wrong = createProblem('INFERFLOW_CONFIG_UPSTREAM_MISMATCH', '$', 'no such input');
const endpointOf = (config: ModelConfig | null | undefined): string | null => {
  const [ranker] = config?.components ?? [];
  return ranker?.kind === 'predator' ? ranker.endpoint : null;
};

function setUp(retryMs = 10_000) {
  const waiting = new Map<string, ((problems: readonly Problem[] | null) => void)[]>();
  const onWarmed = vi.fn();
  const builder = new SnapshotBuilder({
    warm: (config) =>
      endpointOf(config) === 'nothing:1'
        ? null
        : new Promise((resolve) => {
            const endpoint = endpointOf(config) ?? '';
            waiting.set(endpoint, [...(waiting.get(endpoint) ?? []), resolve]);
          }),
    onWarmed,
    warmingTimes: { retryMs },
  });
  const build = (models: Record<string, ConfigDocument>) => builder.build(new Map(Object.entries(models))).models;
  const settle = async (endpoint: string, problems: readonly Problem[] | null = []) => {
    const calls = onWarmed.mock.calls.length;
    waiting.get(endpoint)?.shift()?.(problems);
    await vi.advanceTimersByTimeAsync(20);
    return onWarmed.mock.calls.length > calls;
  };
  return { builder, build, settle, waiting, onWarmed };
}

describe('versions that are warmed', () => {
  afterEach(() => vi.useRealTimers());

  it('serve when they are ready; until then the ones before do', async () => {
    vi.useFakeTimers();
    const { build, settle } = setUp();
    expect(build({ a: document('one:1') }).get('a')).toMatchObject({ state: 'warming', config: null });
    expect(await settle('one:1')).toBe(true);
    const live = build({ a: document('one:1') }).get('a');
    expect(live).toMatchObject({ state: 'live', candidate: null });
    const next = build({ a: document('two:1') }).get('a');
    expect(next?.state).toBe('warming');
    expect(endpointOf(next?.config)).toBe('one:1');
    expect(endpointOf(next?.candidate)).toBe('two:1');
    expect(next?.hash).toBe(next?.candidate?.hash);
    await settle('two:1', null);
    expect(endpointOf(build({ a: document('two:1') }).get('a')?.config)).toBe('two:1');
  });

  it('delay no other model, and nobody longer than the time allowed', async () => {
    vi.useFakeTimers();
    const { build, settle, onWarmed } = setUp();
    const models = { slow: document('slow:1'), quick: document('quick:1'), nothing: document('nothing:1') };
    expect(build(models).get('nothing')?.state).toBe('live');
    await settle('quick:1');
    expect([...build(models).values()].map(({ state }) => state)).toEqual(['warming', 'live', 'live']);
    await vi.advanceTimersByTimeAsync(LONGEST_WARM_MS);
    expect(onWarmed).toHaveBeenCalledTimes(2);
    expect(build(models).get('slow')?.state).toBe('live');
  });

  it('do not starve a model that changes all the time', async () => {
    vi.useFakeTimers();
    const { build } = setUp();
    build({ a: document('v0:1') });
    let lives = 0;
    for (let version = 1; version <= 20; version++) {
      await vi.advanceTimersByTimeAsync(100);
      if (build({ a: document(`v${version}:1`) }).get('a')?.state === 'live') lives++;
    }
    expect(lives).toBeGreaterThanOrEqual(4);
  });

  it('are refused by a proof, keep the last good version, and are tried again', async () => {
    vi.useFakeTimers();
    const { build, settle } = setUp(1000);
    build({ a: document('good:1') });
    await settle('good:1');
    build({ a: document('good:1') });
    build({ a: document('bad:1') });
    await settle('bad:1', [wrong]);
    const refused = build({ a: document('bad:1') }).get('a');
    expect(refused).toMatchObject({ state: 'rejected', problems: expect.arrayContaining([wrong]) });
    expect(endpointOf(refused?.config)).toBe('good:1');
    await vi.advanceTimersByTimeAsync(1000);
    expect(await settle('bad:1', null), 'nothing found out is no news').toBe(false);
    expect(build({ a: document('bad:1') }).get('a')).toBe(refused);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await settle('bad:1', [])).toBe(true);
    const mended = build({ a: document('bad:1') }).get('a');
    expect(mended?.state).toBe('live');
    expect(mended?.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(endpointOf(mended?.config)).toBe('bad:1');
  });

  it('serve at once where they served before, in an earlier process', async () => {
    vi.useFakeTimers();
    const { builder, settle } = setUp();
    const stored = new Map([['a', document('one:1')]]);
    builder.prepare('a', stored.get('a') as ConfigDocument, true);
    expect(builder.build(stored).models.get('a')?.state).toBe('live');
    await settle('one:1', [wrong]);
    expect(builder.build(stored).models.get('a')?.state).toBe('live');
  });

  it('are forgotten with their model, and what comes out then means nothing', async () => {
    vi.useFakeTimers();
    const { build, settle } = setUp();
    build({ a: document('one:1') });
    build({});
    expect(await settle('one:1', [wrong])).toBe(false);
    expect(build({}).size).toBe(0);
  });

  it('are known by the number that their source gives them, which costs no second look', async () => {
    vi.useFakeTimers();
    const { build, settle, waiting } = setUp();
    build({ a: document('one:1', '7') });
    await settle('one:1');
    expect(build({ a: document('one:1', '7') }).get('a')?.sourceRevision).toBe('7');
    expect(build({ a: document('one:1', '9') }).get('a')).toMatchObject({ state: 'live', sourceRevision: '9' });
    expect(waiting.get('one:1')).toEqual([]);
  });

  it('wake nobody after the end', async () => {
    vi.useFakeTimers();
    const { builder, build, settle } = setUp();
    build({ a: document('one:1') });
    builder.close();
    expect(await settle('one:1')).toBe(false);
    await builder.warmed();
  });
});
