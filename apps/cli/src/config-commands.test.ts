import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandIo } from './command-io.js';
import { createConvertCommand } from './convert-command.js';
import { createLintCommand } from './lint-command.js';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferflow-cli-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function run(create: (io: CommandIo) => ReturnType<typeof createLintCommand>, args: readonly string[], stdin = '') {
  const result = { out: '', error: '', code: -1 };
  const command = create({
    readStdin: async () => stdin,
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
  await command.parseAsync([...args], { from: 'user' });
  return result;
}

const good = {
  dag_execution_config: { component_dependency: { p1: ['feature_initializer'] } },
  component_config: {
    cache_version: 1,
    owner: 'team-a',
    predator_components: [
      {
        component: 'p1',
        component_id: 'item',
        model_name: 'm',
        model_end_point: 'host',
        deadline: 100,
        batch_size: 50,
        inputs: [{ name: 'x', features: ['price'], shape: [1], data_type: 'FP32' }],
        outputs: [{ name: 'o', model_scores: ['s'], model_scores_dims: [[1]], data_type: 'FP32' }],
      },
    ],
  },
  response_config: { features: ['item', 's'] },
};
const cyclic = { ...good, dag_execution_config: { component_dependency: { p1: ['p1'] } } };

describe('inferflow lint', () => {
  it('accepts a good model, with hints', async () => {
    const { out, code } = await run(createLintCommand, ['-'], JSON.stringify(good));
    expect(code).toBe(0);
    expect(out).toContain('model is accepted (0 errors, 0 warnings, 2 hints)');
    expect(out).toContain('INFERFLOW_CONFIG_REQUEST_COLUMN');
  });

  it('checks every model of a configuration directory and fails if one is bad', async () => {
    await mkdir(join(directory, 'models'));
    await writeFile(join(directory, 'models', 'good.json'), JSON.stringify(good));
    await writeFile(join(directory, 'models', 'cyclic.yaml'), JSON.stringify(cyclic));
    await writeFile(join(directory, 'models', 'torn.json'), '{"a":');
    await writeFile(join(directory, 'services.json'), '{"v2-logging-type":"avro"}');
    const { out, code } = await run(createLintCommand, [directory, '--format', 'json']);
    expect(code).toBe(1);
    const report = JSON.parse(out);
    expect(report.accepted).toBe(false);
    expect(report.services[0].problems[0].code).toBe('INFERFLOW_CONFIG_LOGGING_TYPE');
    const byId = Object.fromEntries(report.models.map((model: { model_config_id: string }) => [model.model_config_id, model]));
    expect(byId.good).toMatchObject({ accepted: true, dialect: 'deployed' });
    expect(byId.cyclic.problems.map((problem: { code: string }) => problem.code)).toContain('INFERFLOW_CONFIG_CYCLE');
    expect(byId.torn.problems[0].code).toBe('INFERFLOW_CONFIG_SYNTAX');
  });

  it('takes a bad model of several for itself: its neighbours are accepted', async () => {
    const { out, code } = await run(createLintCommand, ['-', '--json'], JSON.stringify({ one: good, two: {}, three: null }));
    expect(code).toBe(1);
    const accepted = JSON.parse(out).models.map((model: { model_config_id: string; accepted: boolean }) => [
      model.model_config_id,
      model.accepted,
    ]);
    expect(accepted).toEqual([
      ['one', true],
      ['two', false],
      ['three', false],
    ]);
  });

  it.each([
    ['nothing', '', 'INFERFLOW_CONFIG_SYNTAX'],
    ['blanks', ' \n', 'INFERFLOW_CONFIG_SYNTAX'],
    ['a list', '[]', 'INFERFLOW_CONFIG_WRONG_TYPE'],
    ['null', 'null', 'INFERFLOW_CONFIG_WRONG_TYPE'],
    ['an empty object', '{}', 'INFERFLOW_CONFIG_MISSING'],
    ['half an object', '{"a":', 'INFERFLOW_CONFIG_SYNTAX'],
  ])('refuses %s on stdin with a reason', async (_name, text, problem) => {
    const { out, code } = await run(createLintCommand, ['-'], text);
    expect(code).toBe(1);
    expect(out).toContain(problem);
  });

  it('reads what editors make of a file: a byte order mark, YAML with carriage returns', async () => {
    const text = JSON.stringify(good);
    expect((await run(createLintCommand, ['-'], `\uFEFF${text}`)).code).toBe(0);
    const yaml = [
      '---',
      'dag_execution_config:',
      '  component_dependency: {p1: [feature_initializer]}',
      `component_config: ${JSON.stringify(good.component_config)}`,
      'response_config: {features: [item, s]}',
    ];
    expect((await run(createLintCommand, ['-'], yaml.join('\r\n'))).code).toBe(0);
  });

  it('refuses an expression that a server could not compile, and keeps what is assumed to itself until then', async () => {
    const withExpression = (expression: string): string =>
      JSON.stringify({
        dag_execution_config: { component_dependency: { feature_initializer: ['blend'], blend: [] } },
        component_config: { numerix_component_config: { blend: { score_column: 'score', expression, score_mapping: { rating: 'FP32' } } } },
        response_config: { features: ['item', 'blend:score'] },
      });
    const postfix = await run(createLintCommand, ['-'], withExpression('rating 2 *'));
    expect(postfix.code).toBe(0);
    expect(postfix.out).toContain('assumed');
    expect((await run(createLintCommand, ['-'], withExpression('rating * 2'))).code).toBe(0);
    const typo = await run(createLintCommand, ['-'], withExpression('ratin 2 *'));
    expect(typo.code).toBe(1);
    expect(typo.out).toContain('$.component_config.numerix_component_config.blend.expression');
    expect(typo.out).toContain("did you mean 'rating'?");
    expect(typo.out).not.toContain('assumed');
    const short = await run(createLintCommand, ['-', '--format', 'json'], withExpression('rating *'));
    expect(JSON.parse(short.out)).toMatchObject({ accepted: false, models: [{ accepted: false }] });
  });

  it('does not wait for the writer of a pipe among the files of a directory', async () => {
    await writeFile(join(directory, 'good.json'), JSON.stringify(good));
    execFileSync('mkfifo', [join(directory, 'pipe.json')]);
    const { code, error } = await run(createLintCommand, [directory]);
    expect(code).toBe(2);
    expect(error).toContain('pipe.json cannot be read: it is no regular file');
  });

  it('refuses a model of two files, as servers do', async () => {
    for (const name of ['twice.json', 'twice.yaml', 'once.json']) await writeFile(join(directory, name), JSON.stringify(good));
    const { code, out } = await run(createLintCommand, [directory]);
    expect(code).toBe(1);
    expect(out.match(/INFERFLOW_CONFIG_TWO_FILES/g)).toHaveLength(2);
    expect(out).toContain('the model is defined by "twice.json" and "twice.yaml"');
    expect(out).toContain('once is accepted');
  });

  it('refuses settings of two files, as servers do', async () => {
    await writeFile(join(directory, 'services.json'), '{"v2-logging-type":"arrow"}');
    await writeFile(join(directory, 'services.yaml'), 'v2-logging-type: proto');
    const { code, out } = await run(createLintCommand, [directory]);
    expect(code).toBe(1);
    expect(out).toContain('the settings are defined by "services.json" and "services.yaml"');
  });

  it('says that there is nothing to check', async () => {
    expect(await run(createLintCommand, [join(directory, 'absent.json')])).toMatchObject({
      code: 2,
      out: '',
      error: expect.stringContaining('absent.json'),
    });
    expect(await run(createLintCommand, [directory])).toMatchObject({ code: 2, error: expect.stringContaining('no model files') });
  });
});

describe('inferflow convert', () => {
  it('rewrites one model from stdin and loses nothing', async () => {
    const there = await run(createConvertCommand, ['--to', 'documented', '-'], JSON.stringify(good));
    expect(there).toMatchObject({ code: 0, error: '' });
    const documented = JSON.parse(there.out);
    expect(documented.component_config).toMatchObject({
      owner: 'team-a',
      order: ['p1'],
      predator_component_config: { p1: { model_endpoint: 'host' } },
    });
    expect(documented.request_values).toBe('text');
    const back = await run(createConvertCommand, ['--to', 'deployed'], there.out);
    expect(JSON.parse(back.out).component_config.predator_components).toEqual(good.component_config.predator_components);
  });

  it('keeps the wrapper of several models', async () => {
    const file = join(directory, 'all.json');
    await writeFile(file, JSON.stringify({ one: good, 'two-b': good }));
    const { out, code } = await run(createConvertCommand, ['--to', 'documented', file]);
    expect(code).toBe(0);
    expect(Object.keys(JSON.parse(out))).toEqual(['one', 'two-b']);
  });

  it('reads and writes the wrapper of one model on stdin', async () => {
    const there = await run(createConvertCommand, ['--to', 'documented', '-'], JSON.stringify({ only: good }));
    expect(Object.keys(JSON.parse(there.out))).toEqual(['only']);
    const back = await run(createConvertCommand, ['--to', 'deployed', '-'], there.out);
    expect(JSON.parse(back.out).only.component_config.predator_components).toEqual(good.component_config.predator_components);
  });

  it('changes nothing in what is written in the wanted dialect already', async () => {
    const documented = (await run(createConvertCommand, ['--to', 'documented'], JSON.stringify(good))).out;
    expect((await run(createConvertCommand, ['--to', 'documented'], documented)).out).toBe(documented);
  });

  it('keeps fields that nobody knows, wherever they are', async () => {
    const marked = structuredClone(good) as Record<string, never> & typeof good;
    Object.assign(marked, { x_top: { a: [1, null] } });
    Object.assign(marked.dag_execution_config, { x_graph: 'g' });
    Object.assign(marked.response_config, { x_response: true });
    Object.assign(marked.component_config.predator_components[0] as object, { x_component: 1.5 });
    Object.assign(marked.component_config.predator_components[0]?.inputs[0] as object, { x_input: 'i' });
    const there = await run(createConvertCommand, ['--to', 'documented'], JSON.stringify(marked));
    for (const name of ['x_top', 'x_graph', 'x_response', 'x_component', 'x_input']) expect(there.out).toContain(`"${name}"`);
    const back = JSON.parse((await run(createConvertCommand, ['--to', 'deployed'], there.out)).out);
    expect(back).toMatchObject(marked);
  });

  it('refuses a config with errors: problems on stderr, nothing on stdout', async () => {
    for (const bad of [JSON.stringify(cyclic), '{"a":', '[]', JSON.stringify({ one: good, two: cyclic })]) {
      const { out, error, code } = await run(createConvertCommand, ['--to', 'documented', '-'], bad);
      expect([out, code]).toEqual(['', 1]);
      expect(error).toContain('INFERFLOW_CONFIG_');
    }
  });

  it('says that its input cannot be read', async () => {
    expect(await run(createConvertCommand, ['--to', 'deployed', join(directory, 'absent.json')])).toMatchObject({ code: 2, out: '' });
  });
});
