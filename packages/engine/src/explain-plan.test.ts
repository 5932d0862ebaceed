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
});
