import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { InferflowRequestProtoSchema, PointWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { featureComponent, modelConfig } from './testing/model-config.js';

describe('answers of text', () => {
  it.each([false, true])(
    'leave out bytes that are no text, with an error of the row; the others can be read (compat: %s)',
    async (compat) => {
      const engine = await createEngine({
        configSource: createObjectSource({
          m: modelConfig({
            features: [
              featureComponent('shops', { s: ['DataTypeString', 'city'], v: ['DataTypeStringVector', 'tags'] }, { entity: 'shop' }),
            ],
            answer: ['item', 'shop:s:city', 'shop:v:tags'],
            ...(compat && { extra: { compat: 'go-1.0' } }),
          }),
        }),
        featureStore: ({ keys }) =>
          keys.map(([key]) =>
            key === 'bad' ? { city: Uint8Array.of(0x61, 0xff), tags: Uint8Array.of(2, 0, 0x61, 0xff) } : { city: 'Köln', tags: ['é'] },
          ),
      });
      const answer = await engine.retrieveModelScore(
        create(InferflowRequestProtoSchema, { modelConfigId: 'm', entities: [{ entity: 'item', ids: ['good', 'bad'] }] }),
      );
      expect(answer.componentData.map(({ data }) => data)).toEqual([
        ['item', 'shop:s:city', 'shop:v:tags'],
        ['good', 'Köln', compat ? '\u0002\0é' : 'é'],
        ['bad', '', ''],
      ]);
      expect(answer.rowErrors).toMatchObject([
        {
          row: 1,
          error:
            'shops: conversion: the value of "shop:s:city" is no valid UTF-8 text and cannot be answered as one; ' +
            'shops: conversion: the value of "shop:v:tags" is no valid UTF-8 text and cannot be answered as one',
        },
      ]);
      const bytes = await engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id: 'bad' }] }));
      expect(bytes.targetScores[0]).toMatchObject({ error: '', outputValues: [{}, Uint8Array.of(0x61, 0xff), {}] });
      await engine.close();
    },
  );
});
