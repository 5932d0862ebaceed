import { describe, expect, it } from 'vitest';
import { checkModelConfig } from '../check-model-config.js';

interface Parts {
  readonly graph?: Record<string, string[]>;
  readonly features?: object[];
  readonly models?: object[];
  readonly numerix?: object[];
  readonly plugins?: object[];
  readonly response?: object;
  readonly top?: object;
}

const feature = (component: string, label: string, fields: object = {}) => ({
  component,
  component_id: 'item',
  fs_keys: [{ schema: 'id', col: 'item' }],
  fs_request: { label, featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: ['a', 'b'] }] },
  ...fields,
});
const model = (component: string, features: string[], score: string, fields: object = {}) => ({
  component,
  component_id: 'item',
  model_name: 'm',
  model_end_point: 'h',
  inputs: [{ name: 'x', features, shape: [features.length], data_type: 'FP32' }],
  outputs: [{ name: 'o', model_scores: [score], model_scores_dims: [[1]], data_type: 'FP32' }],
  ...fields,
});

function lint({ graph, features = [], models = [], numerix = [], plugins, response, top }: Parts) {
  const raw = {
    ...top,
    dag_execution_config: { component_dependency: graph },
    component_config: {
      feature_components: features,
      predator_components: models,
      numerix_components: numerix,
      plugin_components: plugins,
    },
    response_config: response ?? { features: ['item'] },
  };
  const { config, problems: all } = checkModelConfig('m', raw);
  // Most of these configs leave columns unused, which has tests of its own.
  const problems = all.filter(({ code }) => code !== 'INFERFLOW_CONFIG_UNUSED_COLUMN');
  return { accepted: config !== null, problems, codes: problems.map(({ code }) => code.replace('INFERFLOW_CONFIG_', '')) };
}

describe('lintModel', () => {
  it('says where calls cannot be shared between requests, and where they have no bound', () => {
    const coalesced = (fields: object, top: object = {}) => {
      const graph = { p: ['feature_initializer'] };
      const response = { features: ['item', 's'] };
      const { accepted, problems } = lint({ graph, models: [model('p', ['price'], 's', fields)], response, top });
      return [
        accepted,
        ...problems.filter(({ path }) => path.includes('coalesce')).map(({ code, path }) => `${code} ${path.split('.').at(-1)}`),
      ];
    };
    expect(coalesced({ coalesce: true, batch_size: 64 })).toEqual([true]);
    expect(coalesced({ coalesce: true, batch_size: 64, coalesce_wait_ms: 50 })).toEqual([true]);
    expect(coalesced({ coalesce: true })).toEqual([true, 'INFERFLOW_CONFIG_BATCH_UNBOUND coalesce']);
    expect(coalesced({ coalesce: true, batch_size: 9, broadcast_single_score: true })).toEqual([
      true,
      'INFERFLOW_CONFIG_NOT_COALESCED coalesce',
    ]);
    expect(coalesced({ coalesce: true, batch_size: 9 }, { compat: 'go-1.0' })).toEqual([true]);
    expect(coalesced({ coalesce: true, batch_size: 9, slate_component: true })).toEqual([true, 'INFERFLOW_CONFIG_NOT_COALESCED coalesce']);
    expect(coalesced({ coalesce_wait_ms: 2 })).toEqual([true, 'INFERFLOW_CONFIG_NOT_COALESCED coalesce_wait_ms']);
    for (const wait of [-1, 51]) {
      expect(coalesced({ coalesce: true, batch_size: 9, coalesce_wait_ms: wait })).toEqual([
        false,
        'INFERFLOW_CONFIG_INVALID_VALUE coalesce_wait_ms',
      ]);
    }
  });

  it('accepts a chain, and says which columns come from the request', () => {
    const { accepted, problems } = lint({
      graph: { f: ['feature_initializer'], p: ['f'] },
      features: [feature('f', 'it')],
      models: [model('p', ['it:g:a', 'price'], 's')],
      response: { features: ['item', 's'] },
    });
    expect(accepted).toBe(true);
    expect(problems).toMatchObject([
      {
        severity: 'hint',
        code: 'INFERFLOW_CONFIG_REQUEST_COLUMN',
        path: '$.component_config.predator_components[0].inputs[0].features[1]',
        found: 'price',
      },
    ]);
  });

  it('names a cycle as a path, and every cycle', () => {
    const { accepted, problems } = lint({
      graph: { a: ['b'], b: ['a'], c: ['c'] },
      models: [model('a', ['x'], 's1'), model('b', ['x'], 's2'), model('c', ['x'], 's3')],
    });
    expect(accepted).toBe(false);
    const cycles = problems.filter(({ code }) => code === 'INFERFLOW_CONFIG_CYCLE');
    expect(cycles.map(({ found }) => found)).toEqual(['a → b → a', 'c → c']);
  });

  it('names an unknown component once, with what was probably meant', () => {
    const { problems } = lint({
      graph: { ranker: ['feature_initializer', 'fs_usr'] },
      features: [feature('fs_user', 'u')],
      models: [model('ranker', ['x'], 's')],
    });
    const unknown = problems.filter(({ code }) => code === 'INFERFLOW_CONFIG_UNKNOWN_COMPONENT');
    expect(unknown).toMatchObject([
      { path: '$.dag_execution_config.component_dependency.ranker[1]', found: 'fs_usr', suggestion: 'fs_user' },
    ]);
    expect(problems.map(({ code }) => code)).toContain('INFERFLOW_CONFIG_UNUSED_COMPONENT');
  });

  it('refuses a column that is read before its writer runs, and sees that the edge is inverted', () => {
    const parallel = lint({
      graph: { f: ['feature_initializer'], p: ['feature_initializer'] },
      features: [feature('f', 'it')],
      models: [model('p', ['it:g:a'], 's')],
    });
    expect(parallel.codes).toEqual(['READ_BEFORE_WRITE']);
    const inverted = lint({
      graph: { p: ['feature_initializer'], f: ['p'] },
      features: [feature('f', 'it')],
      models: [model('p', ['it:g:a'], 's')],
    });
    expect(inverted.codes).toEqual(['READ_BEFORE_WRITE', 'INVERTED_EDGE']);
    expect(inverted.problems[1]).toMatchObject({ severity: 'warning', found: '"f": ["p"]', expected: '"p": ["f"]' });
  });

  it('refuses two writers of a column, in two components or in one', () => {
    const two = lint({
      graph: { p: ['feature_initializer'], q: ['feature_initializer'] },
      models: [model('p', ['x'], 's'), model('q', ['x'], 's')],
    });
    expect(two.codes).toContain('TWO_WRITERS');
    const group = { label: 'g', data_type: 'DataTypeFP32', features: ['a', 'a@DataTypeFP16'] };
    const one = lint({
      graph: { f: ['feature_initializer'] },
      features: [feature('f', 'it', { fs_request: { label: 'it', featureGroups: [group] } })],
    });
    expect(one.problems).toMatchObject([{ code: 'INFERFLOW_CONFIG_TWO_WRITERS', found: 'it:g:a' }]);
    const slate = lint({
      graph: { p: ['feature_initializer'], q: ['p'] },
      models: [model('p', ['x'], 's'), model('q', ['x'], 's', { slate_component: true })],
      response: { features: ['item', 's'] },
    });
    expect(slate.codes).toContain('TWO_WRITERS');
  });

  it.each([
    ['two scalars in three places', ['it:g:a', 'it:g:b'], [3], false],
    ['two scalars in two places', ['it:g:a', 'it:g:b'], [2], true],
    ['an embedding of four and a scalar in five', ['emb', 'it:g:a'], [5], true],
    ['an embedding of four in two rows of two', ['emb'], [2, 2], true],
    ['an embedding of four in three', ['emb'], [3], false],
    ['an open dimension that divides', ['emb'], [2, -1], true],
    ['an open dimension that does not', ['emb'], [3, -1], false],
    ['request columns of unknown width in more places', ['price'], [4], true],
    ['more request columns than places', ['price', 'tax'], [1], false],
  ])('checks shapes: %s', (_, features, shape, fits) => {
    const embed = model('e', ['it:g:a'], 'emb', {
      outputs: [{ name: 'o', model_scores: ['emb'], model_scores_dims: [[4]], data_type: 'FP32' }],
    });
    const { codes } = lint({
      graph: { f: ['feature_initializer'], e: ['f'], p: ['e', 'f'] },
      features: [feature('f', 'it')],
      models: [embed, model('p', features, 's', { inputs: [{ name: 'x', features, shape, data_type: 'FP32' }] })],
    });
    expect(codes.includes('SHAPE_MISMATCH')).toBe(!fits);
  });

  it('refuses a type that cannot be converted', () => {
    const group = { label: 'g', data_type: 'DataTypeFP32Vector', features: ['v'] };
    const { accepted, problems } = lint({
      graph: { f: ['feature_initializer'], n: ['f'] },
      features: [feature('f', 'it', { fs_request: { label: 'it', featureGroups: [group] } })],
      numerix: [
        {
          component: 'n',
          component_id: 'item',
          score_col: 's',
          data_type: 'DataTypeFP32',
          compute_id: 'c',
          score_mapping: { 'v@DataTypeFP32': 'it:g:v' },
        },
      ],
    });
    expect(accepted).toBe(false);
    expect(problems).toMatchObject([{ code: 'INFERFLOW_CONFIG_NO_CONVERSION', found: 'DataTypeFP32Vector', expected: 'DataTypeFP32' }]);
  });

  it('warns of a column name that is nearly a written one, but not of numbered names', () => {
    const { problems } = lint({
      graph: { f: ['feature_initializer'], p: ['f'] },
      features: [feature('f', 'item_features')],
      models: [model('p', ['item_featurs:g:a', 'column_1'], 'column_2')],
    });
    expect(problems).toMatchObject([
      { severity: 'warning', code: 'INFERFLOW_CONFIG_LIKELY_TYPO', suggestion: 'item_features:g:a' },
      { severity: 'hint', code: 'INFERFLOW_CONFIG_REQUEST_COLUMN', found: 'column_1' },
    ]);
  });

  it('warns of a name that begins like a component or a feature group, and says what is there', () => {
    const { problems } = lint({
      graph: { f: ['feature_initializer'], p: ['f'] },
      features: [feature('f', 'it')],
      models: [model('p', ['it:g:votes', 'other:g:votes'], 'p:rating')],
      response: { features: ['item', 'p:score', 'shelf'] },
    });
    expect(problems).toMatchObject([
      { code: 'INFERFLOW_CONFIG_LIKELY_TYPO', found: 'it:g:votes', message: expect.stringContaining('there are "it:g:a", "it:g:b"') },
      { code: 'INFERFLOW_CONFIG_REQUEST_COLUMN', found: 'other:g:votes' },
      { code: 'INFERFLOW_CONFIG_LIKELY_TYPO', found: 'p:score', suggestion: 'p:rating' },
      { code: 'INFERFLOW_CONFIG_REQUEST_COLUMN', found: 'shelf' },
    ]);
  });

  it('names a missing edge once, however many columns it is about', () => {
    const { problems } = lint({
      graph: { f: ['feature_initializer'], p: ['feature_initializer'] },
      features: [feature('f', 'it')],
      models: [model('p', ['it:g:a', 'it:g:b'], 's')],
    });
    expect(problems).toMatchObject([
      { code: 'INFERFLOW_CONFIG_READ_BEFORE_WRITE', message: expect.stringContaining('reads "it:g:a" and 1 more, which "f" writes') },
    ]);
  });

  it('refuses a target component that reads slate scores, and warns of slate scores nobody gets', () => {
    const slate = model('q', ['x'], 'slate_score', { slate_component: true });
    const reads = lint({ graph: { q: ['feature_initializer'], p: ['q'] }, models: [slate, model('p', ['slate_score'], 's')] });
    expect(reads.codes).toContain('SLATE_COLUMN');
    const unanswered = lint({ graph: { q: ['feature_initializer'] }, models: [slate] });
    expect(unanswered.codes).toContain('SLATE_NOT_ANSWERED');
  });

  it('hints what compat keeps alive and warns of an answer without columns', () => {
    const { codes, accepted } = lint({
      graph: { p: ['feature_initializer'] },
      models: [model('p', ['x'], 's')],
      response: {},
      top: { compat: 'go-1.0' },
    });
    expect(accepted).toBe(true);
    expect(codes).toEqual(expect.arrayContaining(['EMPTY_ANSWER', 'COMPAT']));
  });

  it('lets calibration columns be read from the start', () => {
    const { accepted } = lint({
      graph: { p: ['feature_initializer'], f: ['feature_initializer'] },
      features: [
        feature('f', 'cal', {
          fs_keys: [
            { schema: 'model', col: 'pctr_model' },
            { schema: 'config', col: 'inferflow_config_id' },
          ],
        }),
      ],
      models: [model('p', ['x'], 's', { calibration: 'pctr' })],
    });
    expect(accepted).toBe(true);
  });
});
