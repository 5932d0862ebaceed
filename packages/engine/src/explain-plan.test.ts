import { createObjectSource } from '@inferflow/config';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';

describe('explainPlan', () => {
  it('says per edge how the bytes get there and why it is not a plain copy', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({
          features: [
            featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'a', 'b', 'c'] }),
            featureComponent(
              'f_user',
              { int64_u: ['DataTypeInt64', 'age'], string_u: ['DataTypeString', 'name'] },
              { entity: 'user', keys: [['id', 'user_id']] },
            ),
          ],
          models: [
            modelComponent('fused', { x: ['FP32', 'it:fp32_m:c', 'it:fp32_m:a', 'it:fp32_m:b'] }, { score: 's1' }),
            modelComponent(
              'mixed',
              { x: ['FP32', 'it:fp32_m:a', 'user:int64_u:age', 'price'], t: ['BYTES', 'user:string_u:name'] },
              { score: 's2' },
            ),
          ],
          waits: { fused: ['f_item'], mixed: ['f_item', 'f_user', 'fused'] },
          answer: ['item', 's1', 's2'],
        }),
      }),
      featureStore: ({ keys }) => keys.map(() => null),
      models: { fused: () => [], mixed: () => [] },
    });
    const plan = engine.explainPlan('m');
    expect(plan?.levels).toEqual([['f_item', 'f_user'], ['fused'], ['mixed']]);
    expect(plan?.blocks.find(({ writer }) => writer === 'f_item')?.columns.map(({ name, widthBytes }) => [name, widthBytes])).toEqual([
      ['it:fp32_m:c', 4],
      ['it:fp32_m:a', 4],
      ['it:fp32_m:b', 4],
    ]);
    const edge = (component: string, column: string) =>
      plan?.edges.find(({ componentName, columns }) => componentName === component && columns.includes(column));
    expect(edge('fused', 'it:fp32_m:c')).toMatchObject({ how: 'copy', why: '' });
    expect(edge('mixed', 'price')?.how).toMatch(/convert|parse/);
    expect(edge('mixed', 'price')?.why).toBe(
      'given by the request as text: price; of another type: user:int64_u:age (DataTypeInt64 → FP32); columns of 3 blocks',
    );
    expect(edge('mixed', 'it:fp32_m:a')?.read).toBe('x');
    expect(edge('mixed', 'user:string_u:name')).toMatchObject({ how: 'text', why: 'texts are written with their lengths' });
    expect(edge('f_user', 'user_id')).toMatchObject({ how: 'text' });
    expect(engine.explainPlan('nobody')).toBeUndefined();
    await engine.close();
  });

  it('says of vectors, whose length no configuration states, how they are read before and after an answer has told it', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({
          features: [
            featureComponent('f_item', { emb: ['DataTypeFP32Vector', 'v', 'w'], fp32_m: ['DataTypeFP32', 'a', 'b'] }),
            featureComponent('f_user', { emb: ['DataTypeFP16Vector', 'u'] }, { entity: 'user', keys: [['id', 'user_id']] }),
          ],
          models: [
            modelComponent('whole', { x: ['FP32', 'it:fp32_m:b', 'it:emb:w', 'it:emb:v', 'it:fp32_m:a'] }, { score: 's1' }),
            modelComponent('part', { x: ['FP32', 'it:emb:v', 'it:fp32_m:b'], y: ['FP32', 'user:emb:u'] }, { score: 's2' }),
          ],
          waits: { whole: ['f_item'], part: ['f_item', 'f_user'] },
          answer: ['item', 's1', 's2'],
        }),
      }),
      featureStore: ({ keys }) => keys.map(() => null),
      models: { whole: () => [], part: () => [] },
    });
    const edges = engine.explainPlan('m')?.edges.filter(({ componentName }) => ['whole', 'part'].includes(componentName));
    expect(edges?.map(({ componentName, read, how, why, atFirst }) => [`${componentName}.${read}`, how, why, atFirst])).toEqual([
      ['whole.x', 'copy', '', 'gather 2 runs, gather 2 columns cell by cell'],
      [
        'part.x',
        'gather 2 runs',
        'the block is laid out for a reader that wants another order',
        'gather 1 run, gather 1 column cell by cell',
      ],
      ['part.y', 'convert 1 column', 'of another type: user:emb:u (DataTypeFP16Vector → FP32)', ''],
    ]);
    await engine.close();
  });

  it('says of a typed model that its requests declare the types of what they bring', async () => {
    const model = modelConfig({
      models: [modelComponent('ranker', { x: ['FP32', 'price', 'item'], n: ['INT64', 'stock'], t: ['BYTES', 'title'] }, { score: 's' })],
      answer: ['item', 's'],
      extra: { request_values: 'typed' },
    });
    const engine = await createEngine({ configSource: createObjectSource({ m: model }), models: { ranker: () => [] } });
    const plan = engine.explainPlan('m');
    expect(plan?.blocks[0]?.columns.map(({ name, dataType }) => [name, dataType])).toEqual([
      ['item', 'DataTypeString'],
      ['price', 'declared by the request'],
      ['stock', 'declared by the request'],
      ['title', 'declared by the request'],
    ]);
    expect(plan?.edges.map(({ read, how, why }) => [read, how, why])).toEqual([
      [
        'x',
        'parse 1 text column, gather 1 column cell by cell',
        'given by the request as text: item; given by the request, in the type it declares: price',
      ],
      ['n', 'gather 1 column cell by cell', 'given by the request, in the type it declares: stock'],
      ['t', 'text', 'given by the request, in the type it declares: title'],
    ]);
    await engine.close();
  });

  it('says what is constant, and what a slate component reads through its slates', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({
        m: modelConfig({
          features: [
            featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'a', 'b'] }),
            featureComponent('f_cal', { fp32_c: ['DataTypeFP32', 'z'] }, { entity: 'cal', keys: [['m', 'cal1_model']] }),
          ],
          models: [
            modelComponent('slates', { x: ['FP32', 'it:fp32_m:a', 'it:fp32_m:b'] }, { score: 's1', slate: true }),
            modelComponent('after', { x: ['FP32', 's1', 'it:fp32_m:a'] }, { score: 's2', slate: true }),
            modelComponent('calibrated', { x: ['FP32', 'cal1_model'], t: ['BYTES', 'cal1_model'] }, { score: 's3', calibration: 'cal1' }),
          ],
          waits: { slates: ['f_item'], after: ['slates'], calibrated: ['f_cal', 'f_item'] },
          answer: ['item', 's1', 's2', 's3'],
        }),
      }),
      featureStore: ({ keys }) => keys.map(() => null),
      models: { slates: () => [], after: () => [], calibrated: () => [] },
    });
    const plan = engine.explainPlan('m');
    expect(plan?.blocks.slice(0, 2).map(({ writer, columns }) => [writer, columns.map(({ name }) => name)])).toEqual([
      ['request', ['item']],
      ['constants', ['cal1_model', 'inferflow_config_id']],
    ]);
    const edges = plan?.edges.filter(({ how, why }) => !why.startsWith('keys are') && how !== 'column');
    expect(edges?.map(({ componentName, read, how, why }) => [`${componentName}.${read}`, how, why]).sort()).toEqual([
      ['after.x', 'gather 2 runs', 'one value per slate: s1; columns of 2 blocks'],
      ['calibrated.t', 'text', 'constants of the model: cal1_model'],
      ['calibrated.x', 'parse 1 text column', 'constants of the model: cal1_model'],
      ['slates.x', 'gather 1 run', 'rows are the targets of slates'],
    ]);
    await engine.close();
  });
});
