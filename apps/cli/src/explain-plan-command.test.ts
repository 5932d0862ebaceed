import { describe, expect, it } from 'vitest';
import { createExplainPlanCommand } from './explain-plan-command.js';

async function run(model: unknown, ...args: string[]) {
  const result = { out: '', error: '', code: -1 };
  const command = createExplainPlanCommand({
    readStdin: async () => (typeof model === 'string' ? model : JSON.stringify(model)),
    out: (text) => {
      result.out += text;
    },
    error: (text) => {
      result.error += text;
    },
    exitWith: (code) => {
      result.code = code;
    },
  });
  await command.parseAsync(['-', ...args], { from: 'user' });
  return result;
}

const model = {
  dag_execution_config: { component_dependency: { shop: ['feature_initializer'], ranker: ['shop'] } },
  component_config: {
    cache_version: 1,
    feature_components: [
      {
        component: 'shop',
        component_id: 'item',
        fs_keys: [{ schema: 'id', col: 'item' }],
        fs_request: {
          label: 'shop',
          featureGroups: [
            { label: 'fp32_a', data_type: 'DataTypeFP32', features: ['x', 'y'] },
            { label: 'int64_b', data_type: 'DataTypeInt64', features: ['n'] },
          ],
        },
        fs_flatten_resp_keys: ['item'],
      },
    ],
    predator_components: [
      {
        component: 'ranker',
        component_id: 'item',
        model_name: 'm',
        model_end_point: 'host',
        deadline: 100,
        batch_size: 50,
        inputs: [
          { name: 'dense', features: ['shop:fp32_a:x', 'shop:fp32_a:y'], shape: [2], data_type: 'FP32' },
          { name: 'count', features: ['shop:int64_b:n'], shape: [1], data_type: 'FP32' },
        ],
        outputs: [{ name: 'o', model_scores: ['s'], model_scores_dims: [[1]], data_type: 'FP32' }],
      },
    ],
  },
  response_config: { features: ['item', 's'] },
};

describe('inferflow explain-plan', () => {
  it('says for people how every input gets its bytes, and why it is no copy', async () => {
    const { out, error } = await run(model);
    expect(error).toBe('');
    expect(out).toMatch(/1\. shop\n {2}2\. ranker/);
    expect(out).toMatch(/ranker\.\S+ \(2 columns\): (copy|gather 1 run)/);
    expect(out).toMatch(
      /ranker\.\S+ \(1 column\): convert 1 column\n {6}because: of another type: shop:int64_b:n \(DataTypeInt64 → FP32\)/,
    );
    expect(out).toContain('keys are compared and sent as text');
  });

  it('says when vectors are read cell by cell: until their length is known, and for good when they are too long', async () => {
    const [shop] = model.component_config.feature_components;
    const [ranker] = model.component_config.predator_components;
    const { out } = await run({
      ...model,
      component_config: {
        ...model.component_config,
        feature_components: [
          { ...shop, fs_request: { label: 'shop', featureGroups: [{ label: 'emb', data_type: 'DataTypeFP32Vector', features: ['v'] }] } },
        ],
        predator_components: [{ ...ranker, inputs: [{ name: 'dense', features: ['shop:emb:v'], shape: [5000], data_type: 'FP32' }] }],
      },
    });
    expect(out).toMatch(
      /ranker\.dense \(1 column\): copy\n {6}until an answer .*, and for good .* a row has more than 16 KiB of them: gather 1 column cell by cell/,
    );
  });

  it('says the same as JSON', async () => {
    const { out } = await run(model, '--format', 'json');
    const [plan] = JSON.parse(out) as { modelConfigId: string; edges: { componentName: string; how: string; why: string }[] }[];
    expect(plan?.modelConfigId).toBe('model');
    expect(plan?.edges.filter(({ componentName }) => componentName === 'ranker')).toHaveLength(2);
  });

  it('refuses what cannot be compiled, with its problems, and what is no model', async () => {
    const broken = { ...model, dag_execution_config: { component_dependency: { ranker: ['nobody'] } } };
    expect(await run(broken)).toMatchObject({ code: 1, error: expect.stringContaining('model is refused') });
    expect(await run(model, '-m', 'other')).toMatchObject({ code: 2, error: expect.stringContaining('holds no model "other"') });
  });
});
