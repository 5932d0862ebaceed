import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CommandIo } from './command-io.js';
import { createGraphCommand } from './graph-command.js';
import { createPlanCommand } from './plan-command.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferflow-cli-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function run(create: (io: CommandIo) => Command, ...args: readonly string[]) {
  const result = { out: '', error: '', code: 0 };
  const command = create({
    readStdin: async () => '',
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

function model(scores: readonly string[], more: Readonly<Record<string, unknown>> = {}, response: Readonly<Record<string, unknown>> = {}) {
  return {
    dag_execution_config: { component_dependency: { p1: ['feature_initializer'] } },
    component_config: {
      cache_version: 1,
      predator_components: [
        {
          component: 'p1',
          component_id: 'item',
          model_name: 'm',
          model_end_point: 'host',
          deadline: 100,
          batch_size: 50,
          inputs: [{ name: 'x', features: ['price'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'o', model_scores: scores, model_scores_dims: scores.map(() => [1]), data_type: 'FP32' }],
        },
      ],
      ...more,
    },
    response_config: { features: ['item', ...scores], logging_perc: 5, ...response },
  };
}

async function file(name: string, content: unknown): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, JSON.stringify(content));
  return path;
}

describe('inferflow plan', () => {
  it('exits 0 when nothing changes', async () => {
    const [before, after] = [await file('a.json', model(['s'])), await file('b.json', model(['s']))];
    const { out, code } = await run(createPlanCommand, before, after);
    expect(code).toBe(0);
    expect(out).toContain('= b: unchanged');
  });

  it('calls a log schema that changes under the same cache_version breaking, and not under a new one', async () => {
    const before = await file('a.json', model(['s']));
    const same = await run(createPlanCommand, before, await file('b.json', model(['s', 't'])));
    expect(same.code).toBe(1);
    expect(same.out).toMatch(
      /log schema: 1 new, 0 gone or of another type; readers find it by cache_version, which stays 1: raise it {2}\[breaking\]/,
    );
    const raised = await run(createPlanCommand, before, await file('c.json', model(['s', 't'], { cache_version: 2 })));
    expect(raised.code).toBe(0);
    expect(raised.out).toContain('+ column t: DataTypeFP32');
  });

  it('goes by the names in directories: a model of another name is another one', async () => {
    for (const name of ['old', 'new']) await mkdir(join(directory, name));
    await file('old/a.json', model(['s']));
    await file('new/b.json', model(['s']));
    const { out } = await run(createPlanCommand, join(directory, 'old'), join(directory, 'new'));
    expect(out).toMatch(/- a: removed\n\+ b: added/);
  });

  it('says what is refused and exits 1', async () => {
    const broken = { ...model(['s']), dag_execution_config: { component_dependency: { p1: ['p1'] } } };
    const { out, error, code } = await run(createPlanCommand, await file('a.json', model(['s'])), await file('b.json', broken));
    expect(code).toBe(1);
    expect(out).toContain('! b: refused');
    expect(error).toContain('INFERFLOW_CONFIG_CYCLE');
  });

  it('reports as JSON', async () => {
    const { out } = await run(createPlanCommand, await file('a.json', model(['s'])), await file('b.json', model(['s', 't'])), '-f', 'json');
    const [report] = JSON.parse(out).models;
    expect(report).toMatchObject({ model_config_id: 'b', action: 'changed' });
    expect(report.changes).toContainEqual({ subject: 'answer', action: 'added', name: 't', detail: '', impact: 'plain' });
  });

  it('exits 2 when a file cannot be read', async () => {
    const { code, error } = await run(createPlanCommand, join(directory, 'none.json'), directory);
    expect(code).toBe(2);
    expect(error).toContain('cannot be read');
  });
});

describe('inferflow graph', () => {
  it('draws text and Mermaid', async () => {
    const path = await file('a.json', model(['s']));
    expect((await run(createGraphCommand, path)).out).toContain('p1  [predator] model m');
    expect((await run(createGraphCommand, path, '-f', 'mermaid')).out).toContain('flowchart LR');
  });

  it('says that service settings alone are no model', async () => {
    await file('services.json', {});
    expect(await run(createGraphCommand, directory)).toMatchObject({ code: 2, error: `inferflow graph: ${directory} holds no model\n` });
  });

  it('refuses what cannot be drawn, with the reason', async () => {
    const { code, error } = await run(
      createGraphCommand,
      await file('a.json', { ...model(['s']), dag_execution_config: { component_dependency: { p1: ['p1'] } } }),
    );
    expect(code).toBe(1);
    expect(error).toContain('is refused');
  });
});
