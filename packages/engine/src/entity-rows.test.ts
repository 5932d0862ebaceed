import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { InferflowRequestProtoSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';

describe('entities of RetrieveModelScore', () => {
  const start = (extra: Readonly<Record<string, unknown>>) =>
    createEngine({
      configSource: createObjectSource({
        m: modelConfig({ plugins: [plugin('p', 'copy', 'size', 'v')], answer: ['item', 'seller', 'size', 'city'], extra }),
      }),
      registry: registryOf({
        copy: (run) => {
          for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row));
        },
      }),
    });
  const request = (sizes: string[], cities: string[]) =>
    create(InferflowRequestProtoSchema, {
      modelConfigId: 'm',
      entities: [
        { entity: 'item', ids: ['1', '2', '3'], features: [{ name: 'size', idsFeatureValue: sizes }] },
        { entity: 'seller', ids: ['s'], features: [{ name: 'city', idsFeatureValue: cities }] },
      ],
    });

  it('give one id for all rows, but one feature value per row', async () => {
    const engine = await start({});
    const answer = await engine.retrieveModelScore(request(['4', '5', '6'], ['x', 'y', 'z']));
    expect(answer.componentData.slice(1).map(({ data }) => data)).toEqual([
      ['1', 's', '4', 'x'],
      ['2', 's', '5', 'y'],
      ['3', 's', '6', 'z'],
    ]);
    await expect(engine.retrieveModelScore(request(['4'], ['x']))).rejects.toMatchObject({
      kind: 'invalid_argument',
      violations: [{ field: 'entities[0].features[0].ids_feature_value' }, { field: 'entities[1].features[0].ids_feature_value' }],
    });
    await engine.close();
  });

  it('leave such features out with compat, as the original does', async () => {
    const engine = await start({ compat: 'go-1.0' });
    const answer = await engine.retrieveModelScore(request(['4', '5', '6'], ['x']));
    expect(answer.componentData.slice(1).map(({ data }) => data)).toEqual([
      ['1', 's', '4', ''],
      ['2', 's', '5', ''],
      ['3', 's', '6', ''],
    ]);
    expect(answer.quality?.cells?.missing).toBe(3);
    await engine.close();
  });
});
