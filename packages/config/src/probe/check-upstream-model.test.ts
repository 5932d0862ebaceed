import { describe, expect, it } from 'vitest';
import type { PredatorComponentConfig } from '../model-config.js';
import { parseModelConfig } from '../parse/parse-model-config.js';
import { checkUpstreamModel, type UpstreamModel } from './check-upstream-model.js';

function parsed(changes: Record<string, unknown> = {}) {
  const { config, problems } = parseModelConfig('m', {
    dag_execution_config: { component_dependency: { p1: ['feature_initializer'] } },
    component_config: {
      predator_components: [
        {
          component: 'p1',
          component_id: 'item',
          model_name: 'ranker',
          model_end_point: 'models:8001',
          deadline: 100,
          batch_size: 10,
          inputs: [{ name: 'in', features: ['a', 'b'], shape: [2], data_type: 'FP32' }],
          outputs: [{ name: 'out', model_scores: ['s', 't'], model_scores_dims: [[1], [1]], data_type: 'FP32' }],
          ...changes,
        },
      ],
    },
    response_config: { features: ['item', 's'] },
  });
  if (config === null) throw new Error(JSON.stringify(problems));
  return { config, component: config.components[0] as PredatorComponentConfig };
}

const tensor = (name: string, shape: readonly number[], dataType = 'FP32') => ({ name, shape, dataType });

function check(upstream: Partial<UpstreamModel>, changes?: Record<string, unknown>): string[] {
  const { config, component } = parsed(changes);
  const model = { name: 'ranker', versions: ['1'], inputs: [tensor('in', [-1, 2])], outputs: [tensor('out', [-1, 2])], ...upstream };
  return checkUpstreamModel(config, component, 'ranker', model).map(({ code, message }) => `${code.slice(26)} ${message}`);
}

describe('checkUpstreamModel', () => {
  it('finds nothing where tensors fit', () => {
    expect(check({})).toEqual([]);
    expect(check({ inputs: [tensor('in', [-1, -1], 'TYPE_FP32')], outputs: [tensor('out', [-1, -1])] })).toEqual([]);
    expect(check({ inputs: [tensor('in', [2])] }), 'without the batch dimension').toEqual([]);
    expect(check({ outputs: [tensor('out', [2])] }), 'without the batch dimension').toEqual([]);
  });

  it.each([
    ['an input of another name', { inputs: [tensor('x', [-1, 2])] }, 'has no input "in"; it has "x"'],
    ['an input of another type', { inputs: [tensor('in', [-1, 2], 'INT64')] }, 'input "in" is declared as FP32'],
    [
      'an input of another width',
      { inputs: [tensor('in', [-1, 3])] },
      'is sent as [-1, 2]; model "ranker" version 1 on its server takes [-1, 3]',
    ],
    ['an input of another rank', { inputs: [tensor('in', [-1, 1, 2])] }, 'takes [-1, 1, 2]'],
    ['an output of another name', { outputs: [tensor('y', [-1, 2])] }, 'has no output "out"'],
    ['an output of another type', { outputs: [tensor('out', [-1, 2], 'FP16')] }, 'output "out" is declared as FP32'],
    [
      'an output of another width',
      { outputs: [tensor('out', [-1, 3])] },
      'take 2 values per row; model "ranker" version 1 on its server gives 3',
    ],
  ])('proves %s', (_what, upstream, message) => {
    const [found, ...others] = check(upstream).filter((text) => !text.startsWith('INPUT'));
    expect(found).toContain(`MISMATCH`);
    expect(found).toContain(message);
    expect(others).toEqual([]);
  });

  it('proves nothing by what a server leaves open, by another model, and by another version', () => {
    expect(check({ inputs: [tensor('in', [], 'SOMETHING')] })).toEqual([]);
    expect(check({ inputs: [] })).toEqual([]);
    expect(check({ name: 'other', inputs: [tensor('x', [-1])] })).toEqual([]);
    expect(check({ inputs: [tensor('x', [-1])] }, { model_version: '7' })).toEqual([]);
    expect(check({ inputs: [tensor('x', [-1])], versions: ['7'] }, { model_version: '7' })[0]).toContain('version 7');
  });

  it('only warns of an input that is not sent: it may be optional', () => {
    expect(check({ inputs: [tensor('in', [-1, 2]), tensor('mask', [-1, 1])] })).toEqual([
      'INPUT model "ranker" version 1 on its server has an input "mask" that component "p1" does not send',
    ]);
  });

  it('says where in the document', () => {
    const { config, component } = parsed();
    const [problem] = checkUpstreamModel(config, component, 'ranker', {
      name: '',
      versions: [],
      inputs: [tensor('in', [-1, 2], 'INT8')],
      outputs: [tensor('out', [-1, 2])],
    });
    expect(problem?.path).toBe('$.component_config.predator_components[0].inputs[0].data_type');
  });
});
