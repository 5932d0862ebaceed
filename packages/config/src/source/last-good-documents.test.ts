import { describe, expect, it } from 'vitest';
import { LastGoodDocuments } from './last-good-documents.js';
import type { ConfigDocument } from './model-document.js';
import { SnapshotBuilder } from './snapshot-builder.js';

const good = (name: string): ConfigDocument => ({
  text: JSON.stringify({
    dag_execution_config: { component_dependency: { ranker: ['feature_initializer'] } },
    component_config: {
      predator_components: [
        {
          component: 'ranker',
          component_id: 'item',
          model_name: name,
          model_end_point: 'models',
          deadline: 1,
          batch_size: 1,
          inputs: [{ name: 'x', features: ['price'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'y', model_scores: ['s'], model_scores_dims: [[1]], data_type: 'FP32' }],
        },
      ],
    },
    response_config: { features: ['item', 's'] },
  }),
  format: 'json',
});
const bad: ConfigDocument = { text: '{', format: 'json' };

describe('LastGoodDocuments', () => {
  it('keeps the document that serves, not the newest', () => {
    const builder = new SnapshotBuilder();
    const lastGood = new LastGoodDocuments();
    const update = (models: Record<string, ConfigDocument>, service?: ConfigDocument) => {
      const documents = new Map(Object.entries(models));
      return lastGood.update(builder.build(documents, service), documents, service);
    };
    const first = good('one');
    const service: ConfigDocument = { value: { 'v2-logging-type': 'proto' } };
    expect(update({ a: first, b: bad, c: good('c') }, service)).toBe(true);
    expect([...lastGood.models.keys()]).toEqual(['a', 'c']);
    expect(update({ a: bad, b: bad, c: lastGood.models.get('c') as ConfigDocument }, { value: { 'v2-logging-type': 7 } })).toBe(false);
    expect(lastGood.models.get('a')).toBe(first);
    expect(lastGood.service).toBe(service);
    expect(update({ a: good('two') })).toBe(true);
    expect([...lastGood.models.keys()]).toEqual(['a']);
    expect(lastGood.service).toBeUndefined();
  });
});
