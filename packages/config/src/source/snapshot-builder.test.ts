import { describe, expect, it } from 'vitest';
import { createProblem } from '../parse/parse-context.js';
import type { ModelEntry } from '../snapshot.js';
import type { ConfigDocument } from './model-document.js';
import { createObjectSource } from './object-source.js';
import { SnapshotBuilder } from './snapshot-builder.js';

function model(endpoint = 'models:8080') {
  return {
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
  };
}

const document = (value: unknown): ConfigDocument => ({ text: JSON.stringify(value), format: 'json' });
const documents = (models: Record<string, unknown>) => new Map(Object.entries(models).map(([id, value]) => [id, document(value)]));

describe('SnapshotBuilder', () => {
  it('keeps ids apart that differ in case or dashes, and removes exactly the one that is gone', () => {
    const builder = new SnapshotBuilder();
    builder.build(documents({ 'a-bc': model(), 'ab-c': model('x'), 'A-BC': model('y'), 'a-bc-d': model() }));
    const after = builder.build(documents({ 'ab-c': model('x'), 'A-BC': model('y'), 'a-bc-d': model() }));
    expect([...after.models.keys()]).toEqual(['ab-c', 'A-BC', 'a-bc-d']);
  });

  it('gives the same snapshot and the same entries while nothing changes, and parses only what does', () => {
    const seen: string[] = [];
    const builder = new SnapshotBuilder({
      accept: ({ modelConfigId }) => {
        seen.push(modelConfigId);
        return [];
      },
    });
    const first = builder.build(documents({ a: model(), b: model() }));
    expect(builder.build(documents({ a: model(), b: model() }))).toBe(first);
    const second = builder.build(documents({ a: model('other'), b: model() }));
    expect(second.models.get('b')).toBe(first.models.get('b'));
    expect(seen).toEqual(['a', 'b', 'a']);
    expect(Number(second.revision)).toBe(Number(first.revision) + 1);
  });

  it('takes over what was read ahead, unless the document has changed since', () => {
    const seen: string[] = [];
    const endpointOf = (entry: ModelEntry | undefined) =>
      entry?.config?.components.map((part) => part.kind === 'predator' && part.endpoint);
    const builder = new SnapshotBuilder({
      accept: ({ modelConfigId }) => {
        seen.push(modelConfigId);
        return [];
      },
    });
    builder.build(documents({ a: model('one') }));
    for (const endpoint of ['two', 'three']) builder.prepare('a', document(model(endpoint)));
    expect(seen).toEqual(['a', 'a', 'a']);
    const next = builder.build(documents({ a: model('three') }));
    expect(seen).toHaveLength(3);
    expect(endpointOf(next.models.get('a'))).toEqual(['three']);
    builder.prepare('a', document(model('four')));
    expect(endpointOf(builder.build(documents({ a: model('five') })).models.get('a'))).toEqual(['five']);
    expect(builder.build(new Map()).models.size).toBe(0);
  });

  it('names its content by a hash that does not depend on spelling or order', () => {
    const first = new SnapshotBuilder().build(documents({ a: model(), b: model() }));
    const other = new SnapshotBuilder().build(
      new Map([
        ['b', { text: JSON.stringify(model(), null, 2), format: 'yaml' }],
        ['a', document(model())],
      ]),
    );
    expect(other.hash).toBe(first.hash);
    expect(new SnapshotBuilder().build(documents({ a: model(), b: model('x') })).hash).not.toBe(first.hash);
  });

  it('keeps the last good version when the acceptance refuses the new one, and when it throws', () => {
    const builder = new SnapshotBuilder({
      accept: (config) => {
        const [ranker] = config.components;
        if (ranker?.kind === 'predator' && ranker.endpoint === 'boom') throw new Error('no such codec');
        return ranker?.kind === 'predator' && ranker.endpoint === 'bad' ? [createProblem('INFERFLOW_CONFIG_REFUSED', '$', 'no')] : [];
      },
    });
    const good = builder.build(documents({ a: model() })).models.get('a');
    for (const [endpoint, message] of [
      ['bad', 'no'],
      ['boom', 'the model cannot be compiled: no such codec'],
    ] as const) {
      const entry = builder.build(documents({ a: model(endpoint) })).models.get('a');
      expect(entry).toMatchObject({ state: 'rejected', config: good?.config });
      expect(entry?.problems.at(-1)?.message).toBe(message);
    }
    expect(builder.build(documents({ a: model() })).models.get('a')?.state).toBe('live');
  });

  it('refuses a model that only fails as a whole graph', () => {
    const cyclic = { ...model(), dag_execution_config: { component_dependency: { ranker: ['ranker'] } } };
    const entry = new SnapshotBuilder().build(documents({ a: cyclic })).models.get('a');
    expect(entry?.state).toBe('rejected');
    expect(entry?.problems.map((problem) => problem.code)).toContain('INFERFLOW_CONFIG_CYCLE');
  });

  it('treats empty text as absent and keeps good service settings when new ones are wrong', () => {
    const builder = new SnapshotBuilder();
    const first = builder.build(new Map([['a', { text: ' \n', format: 'json' }]]), document({ v2_logging_type: 'proto' }));
    expect(first.models.size).toBe(0);
    const second = builder.build(new Map(), document({ 'v2-logging-type': 7 }));
    expect(second.service.loggingType).toBe('proto');
    expect(second.serviceProblems[0]?.code).toBe('INFERFLOW_CONFIG_WRONG_TYPE');
    expect(builder.build(new Map()).service.loggingType).toBe('');
  });

  it('takes a model that is wrapped in its own id', () => {
    expect(new SnapshotBuilder().build(documents({ a: { a: model() } })).models.get('a')?.state).toBe('live');
  });

  it('cannot be changed', () => {
    const snapshot = new SnapshotBuilder().build(documents({ a: model() }));
    expect(() => (snapshot.models as Map<string, unknown>).set('b', null)).toThrow(TypeError);
    expect(() => {
      (snapshot as { hash: string }).hash = '';
    }).toThrow(TypeError);
    const ranker = snapshot.models.get('a')?.config?.components[0];
    expect(Object.isFrozen(ranker?.kind === 'predator' && ranker.inputs[0]?.features)).toBe(true);
  });
});

describe('createObjectSource', () => {
  it('publishes updates before they return, and nothing when nothing changed', async () => {
    const source = createObjectSource({ a: model() }, { loggingType: 'arrow' });
    const hashes: string[] = [];
    const first = await source.start((snapshot) => hashes.push(snapshot.hash));
    expect(first.service.loggingType).toBe('arrow');
    source.update({ a: model() });
    expect(hashes).toEqual([]);
    source.update({ a: model('x'), b: undefined, c: JSON.stringify(model()) });
    expect(hashes).toHaveLength(1);
    await source.close();
    source.update({});
    expect(hashes).toHaveLength(1);
  });

  it('does not keep or freeze what it is given', async () => {
    const mine = model();
    const source = createObjectSource({ a: mine });
    const { models } = await source.start(() => undefined);
    mine.response_config.features.push('later');
    expect(models.get('a')?.config?.response.features).toEqual(['item', 'ranker:s']);
  });
});
