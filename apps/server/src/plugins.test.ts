import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Predict } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerStartError } from './errors.js';
import { loadPlugins } from './plugins.js';
import { startStockServer } from './testing/stock-server.js';

const example = fileURLToPath(new URL('../../../examples/custom-component/src/index.ts', import.meta.url));

/** Film scores of the request, re-ranked by the example: what is out of stock counts half, a second film of a studio a tenth. */
const reRanked = {
  request_values: 'text',
  dag_execution_config: { component_dependency: { base: ['feature_initializer'], rules: ['base'] } },
  component_config: {
    numerix_components: [
      {
        component: 'base',
        component_id: 'film',
        score_col: 'base_score',
        data_type: 'DataTypeFP32',
        expression: 's 1 *',
        score_mapping: { 's@DataTypeFP32': 'score' },
      },
    ],
    plugin_components: [
      {
        component: 'rules',
        type: 'business_rules',
        config: {
          score_column: 'base_score',
          output_column: 'final',
          rules: [{ when: { column: 'stock', is: 'below', value: 1 }, multiply: 0.5 }],
          repeats: { column: 'studio', keep: 1, multiply: 0.1 },
        },
      },
    ],
  },
  response_config: { features: ['film', 'final'] },
};

describe('INFERFLOW_PLUGINS', () => {
  it('gives the stock server a component type that a model then uses', async () => {
    const stock = await startStockServer({ films: reRanked }, { INFERFLOW_PLUGINS: example });
    try {
      const client = createClient(Predict, createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` }));
      const rows: [string, string, string, string][] = [
        ['f1', '8', '3', 'north'],
        ['f2', '6', '0', 'south'],
        ['f3', '4', '2', 'north'],
      ];
      const answer = await client.inferPointWise({
        modelConfigId: 'films',
        targetInputSchema: ['score', 'stock', 'studio'].map((name) => ({ name })),
        targets: rows.map(([id, ...values]) => ({ id, featureValues: values.map((value) => new TextEncoder().encode(value)) })),
      });
      expect(answer.targetOutputSchema.map(({ name }) => name)).toEqual(['film', 'final']);
      const finals = answer.targetScores.map(({ outputValues: [, bytes] }) => Buffer.from(bytes ?? []).readFloatLE(0));
      expect(finals).toEqual([8, 3, Math.fround(0.4)]);
      expect(answer.targetScores.map(({ error }) => error)).toEqual(['', '', '']);
    } finally {
      await stock.close();
    }
  });

  it('a model that names a type of no plugin is refused with the types there are', async () => {
    const stock = await startStockServer({ films: reRanked });
    try {
      const entry = stock.server.engine.snapshot.models.get('films');
      expect(entry?.state).toBe('rejected');
      expect(entry?.problems.map(({ message }) => message).join()).toContain('business_rules');
    } finally {
      await stock.close();
    }
  });

  it('keeps the server from starting when a module cannot be used', async () => {
    const start = startStockServer({ films: reRanked }, { INFERFLOW_PLUGINS: `${example},./no-such-module.js` });
    await expect(start).rejects.toMatchObject({ code: 'INFERFLOW_SERVER_PLUGIN_REFUSED' });
  });
});

describe('loadPlugins', () => {
  let folder: string;
  const module = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return `./${name}`;
  };
  const definition = (type: string, apiVersion: unknown) =>
    `{ type: ${JSON.stringify(type)}, apiVersion: ${JSON.stringify(apiVersion)}, parseConfig: (raw) => raw, create: () => ({}) }`;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'inferflow-plugins-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const problemsOf = async (...modules: readonly string[]): Promise<readonly string[]> => {
    try {
      await loadPlugins(modules, folder);
    } catch (error) {
      if (error instanceof ServerStartError) return error.problems;
      throw error;
    }
    return [];
  };

  it('lists every module that is refused, and why', async () => {
    const problems = await problemsOf(
      module('wrong-version.mjs', `export const components = [${definition('old', 7)}];`),
      module('no-components.mjs', 'export const parts = [];'),
      './missing.mjs',
      'no-such-package',
      module('throws.mjs', 'throw new Error("cannot be loaded here");'),
      module('not-a-definition.mjs', 'export const components = [42];'),
      module('built-in.mjs', `export const components = [${definition('predator', 1)}];`),
      module('good.mjs', `export const components = [${definition('mine', 1)}];`),
    );
    expect(problems).toHaveLength(7);
    const all = problems.join('\n');
    expect(all).toMatch(/wrong-version\.mjs: .*"?old"?.*7/);
    expect(all).toMatch(/no-components\.mjs: expected an export named "components"/);
    expect(all).toMatch(/missing\.mjs: /);
    expect(all).toMatch(/no-such-package: .*no-such-package/i);
    expect(all).toMatch(/throws\.mjs: cannot be loaded here/);
    expect(all).toMatch(/not-a-definition\.mjs: /);
    expect(all).toMatch(/built-in\.mjs: .*predator/);
  });

  it('finds packages from the working directory, those that only `import` sees included', async () => {
    for (const [name, exports] of [
      ['plain-plugin', './index.js'],
      ['import-plugin', { '.': { types: './index.d.ts', import: './index.js' } }],
    ] as const) {
      const home = join(folder, 'node_modules', name);
      mkdirSync(home, { recursive: true });
      writeFileSync(join(home, 'package.json'), JSON.stringify({ name, type: 'module', exports }));
      writeFileSync(join(home, 'index.js'), `export const components = [${definition(name, 1)}];`);
    }
    const registry = await loadPlugins(['plain-plugin', 'import-plugin'], folder);
    expect([registry.get('plain-plugin')?.type, registry.get('import-plugin')?.type]).toEqual(['plain-plugin', 'import-plugin']);
  });
});
