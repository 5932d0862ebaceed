import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { ComponentOutcome_Status, PointWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { EngineError } from './errors.js';
import { featureComponent, modelConfig } from './testing/model-config.js';
import { readRows, text } from './testing/read-answer.js';

const noText = Uint8Array.of(0x61, 0xff, 0x62);
const cutText = Uint8Array.of(0x61, 0xc3);

/** `shop` is keyed by a feature of the request, `city` by what the store knows of the shop. */
async function start(extra: Readonly<Record<string, unknown>> = {}, composite = false) {
  const asked: string[][] = [];
  const engine = await createEngine({
    configSource: createObjectSource({
      m: modelConfig({
        features: [
          featureComponent('shops', { s: ['DataTypeString', 'city'] }, { entity: 'shop', keys: [['id', 'shop']], componentId: 'shop' }),
          featureComponent(
            'cities',
            { n: ['DataTypeFP32', 'size'] },
            {
              entity: 'city',
              keys: composite
                ? [
                    ['id', 'shop:s:city'],
                    ['item', 'item'],
                  ]
                : [['id', 'shop:s:city']],
              componentId: 'city_key',
              composite,
            },
          ),
        ],
        waits: { cities: ['shops'] },
        answer: ['item', 'city:n:size'],
        extra,
      }),
    }),
    featureStore: ({ entity, keys }) => {
      for (const key of keys) asked.push([entity, ...key]);
      return keys.map(([key]) => (entity === 'shop' ? { city: key === 'bad-city' ? noText : `${key}ville` } : { size: 7 }));
    },
  });
  return { engine, asked };
}

function ask(shops: readonly Uint8Array[], dataType: DataType = DataType.Unknown) {
  return create(PointWiseRequestSchema, {
    modelConfigId: 'm',
    targetInputSchema: [
      { name: 'other', dataType },
      { name: 'shop', dataType },
    ],
    targets: shops.map((shop, index) => ({ id: `t${index}`, featureValues: [noText, shop] })),
  });
}

describe('keys that are no text', () => {
  it('fail the rows that have them; the store is asked for the others', async () => {
    const { engine, asked } = await start();
    const answer = await engine.inferPointWise(ask([text('a'), noText, text('é'), cutText, text('a')]));
    expect(readRows(answer).map((row) => row['city:n:size'])).toEqual([7, null, 7, null, 7]);
    expect(answer.targetScores.map(({ error }) => error)).toEqual([
      '',
      expect.stringMatching(/^shops: conversion: the key in column "shop" is no valid UTF-8 text/),
      '',
      expect.stringMatching(/^shops: conversion: the key in column "shop" is no valid UTF-8 text/),
      '',
    ]);
    expect(asked).toEqual([
      ['shop', 'a'],
      ['shop', 'é'],
      ['city', 'aville'],
      ['city', 'éville'],
    ]);
    expect(answer.quality?.cells).toMatchObject({ failed: 2, fresh: 4 });
    await engine.close();
  });

  it('fail the component when there are no others, without a call', async () => {
    const { engine, asked } = await start();
    const answer = await engine.inferPointWise(ask([noText]));
    expect(asked).toEqual([]);
    expect(answer.quality?.components[0]).toMatchObject({ name: 'shops', status: ComponentOutcome_Status.FAILED });
    expect(answer.targetScores[0]?.error).toContain('no valid UTF-8');
    await engine.close();
  });

  it.each([false, true])('are found where a store answered them (composite: %s)', async (composite) => {
    const { engine, asked } = await start({}, composite);
    const answer = await engine.inferPointWise(ask([text('a'), text('bad-city'), text('b')]));
    expect(readRows(answer).map((row) => row['city:n:size'])).toEqual([7, null, 7]);
    expect(answer.targetScores.map(({ error }) => error)).toEqual([
      '',
      expect.stringMatching(/^cities: conversion: the key in column "shop:s:city" is no valid UTF-8 text/),
      '',
    ]);
    expect(asked.filter(([entity]) => entity === 'city').map(([, key]) => key)).toEqual(['aville', 'bville']);
    await engine.close();
  });

  it('are refused with their place by a model with typed values; other texts may hold any bytes', async () => {
    const { engine, asked } = await start({ request_values: 'typed' });
    const error = await engine.inferPointWise(ask([text('a'), noText], DataType.String)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(EngineError);
    expect(error).toMatchObject({
      kind: 'invalid_argument',
      violations: [
        {
          field: 'targets[1].feature_values[1]',
          description: 'targets[1].feature_values[1] is no valid UTF-8 text; feature "shop" is a key',
        },
      ],
    });
    expect(asked).toEqual([]);
    const answer = await engine.inferPointWise(ask([text('a'), text('é')], DataType.String));
    expect(readRows(answer).map((row) => row['city:n:size'])).toEqual([7, 7]);
    await engine.close();
  });

  it('are refused with their place where they are context features', async () => {
    const { engine } = await start({ request_values: 'typed' });
    const request = create(PointWiseRequestSchema, {
      modelConfigId: 'm',
      contextFeatures: [
        { name: 'note', dataType: DataType.String, value: noText },
        { name: 'shop', dataType: DataType.String, value: noText },
      ],
      targets: [{ id: 'a' }],
    });
    await expect(engine.inferPointWise(request)).rejects.toMatchObject({ violations: [{ field: 'context_features[1].value' }] });
    await engine.close();
  });
});
