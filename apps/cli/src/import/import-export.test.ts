import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkModelConfig, parseModelConfig, sameMeaning } from '@inferflow/config';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPushCommand } from '../store/push-command.js';
import { deployedModel, StoreHarness } from '../testing/store-harness.js';
import { createExportCommand } from './export-command.js';
import { createImportCommand } from './import-command.js';
import { importModel } from './import-deployment.js';

let store: StoreHarness;
beforeEach(() => {
  store = new StoreHarness();
});
afterEach(() => store.close());

const cases = join(import.meta.dirname, '../../../../conformance/wire/cases');

/** Models of the Go service whose answers are recorded; ids are made unique. */
function recordedModels(): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const name of readdirSync(cases)) {
    const { models = {} } = JSON.parse(readFileSync(join(cases, name, 'case.json'), 'utf8')) as { models?: Record<string, unknown> };
    for (const [id, model] of Object.entries(models)) if (typeof model === 'object') found[`${name}.${id}`] = model;
  }
  return found;
}

function dumpOf(models: Record<string, unknown>, more: Record<string, string> = {}): string {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  const values = {
    ...Object.fromEntries(Object.entries(models).map(([id, model]) => [`${store.base}/config-map/${id}`, JSON.stringify(model)])),
    ...more,
  };
  return JSON.stringify({ kvs: Object.entries(values).map(([key, value]) => ({ key: encode(key), value: encode(value) })) });
}

const readModel = (folder: string, id: string): unknown =>
  JSON.parse(readFileSync(join(folder, 'models', `${encodeURIComponent(id)}.json`), 'utf8'));
const importReport = async (...args: readonly string[]) => {
  const result = await store.run(createImportCommand, ...args, '-f', 'json');
  return { ...result, report: JSON.parse(result.out || 'null') };
};

describe('inferflow import', () => {
  it('takes every recorded model of the Go service that can be served, with compat, and gives it back unchanged', async () => {
    const models = recordedModels();
    const dump = store.file('dump.json', dumpOf(models, { [`${store.base}/service-config/v2-logging-type`]: 'proto' }));
    const out = join(store.directory, 'out');
    const { report, code } = await importReport(dump, '--out', out);
    const refused = report.models.filter(({ taken }: { taken: boolean }) => !taken);
    expect(report.models.length).toBeGreaterThan(150);
    expect(refused.length).toBeLessThan(15);
    for (const { model_config_id: id, problems } of refused) {
      expect(checkModelConfig(id, models[id]).config).toBe(null);
      expect(problems.length).toBeGreaterThan(0);
    }
    expect(code).toBe(1);
    expect(JSON.parse(readFileSync(join(out, 'services.json'), 'utf8'))).toEqual({ v2_logging_type: 'proto', compression_enabled: false });

    const back = join(store.directory, 'back');
    expect((await store.run(createExportCommand, out, '--out', back, '--app', 'shop')).code).toBe(0);
    const again = join(store.directory, 'again');
    expect((await importReport(back, '--out', again)).code).toBe(0);
    for (const { model_config_id: id, taken, left_out } of report.models) {
      if (!taken) continue;
      const [first, second] = [out, again].map((folder) => parseModelConfig(id, readModel(folder, id)).config!);
      expect(first).toMatchObject({ compat: true, dialect: 'documented' });
      expect(sameMeaning(first!, second!)).toBe(true);
      if (left_out.length > 0) continue;
      const original = parseModelConfig(id, { compat: 'go-1.0', ...(models[id] as object) }).config!;
      expect(sameMeaning(original, first!)).toBe(true);
    }
  });

  it('leaves out what the Go service never used, and says so', () => {
    const model = deployedModel(['s']) as {
      component_config: Record<string, unknown>;
      dag_execution_config: { component_dependency: Record<string, string[]> };
    };
    const [predator] = model.component_config['predator_components'] as Record<string, unknown>[];
    predator!['route_config'] = [{ model_endpoint: 'other', routing_percentage: 100 }];
    model.component_config['feature_components'] = [
      {
        component: 'f1',
        component_id: 'item',
        fs_keys: [{ schema: 'item', col: 'item' }],
        fs_request: {
          label: 'item',
          featureGroups: [
            { label: 'a', data_type: 'FP32', features: [] },
            { label: 'b', data_type: 'FP32', features: ['x'] },
          ],
        },
        fs_flatten_resp_keys: ['item'],
      },
      {
        component: 'f2',
        component_id: 'item',
        fs_keys: [{ schema: 'item', col: 'item' }],
        fs_request: { label: 'z', featureGroups: [{ label: 'b', data_type: 'FP32', features: ['y'] }] },
        fs_flatten_resp_keys: ['item'],
      },
    ];
    model.dag_execution_config.component_dependency['f1'] = ['feature_initializer'];
    model.dag_execution_config.component_dependency['f2'] = [];
    const { config, adaptations } = importModel('film', model);
    expect(adaptations.map(({ id, component }) => [id, component])).toEqual([
      ['A22', 'p1'],
      ['E10', 'f1'],
      ['B4', 'f2'],
    ]);
    expect(config?.components.find(({ componentName }) => componentName === 'p1')).toMatchObject({ endpoint: 'host', endpoints: [] });
    expect(config?.components.find(({ componentName }) => componentName === 'f1')).toMatchObject({ columns: [] });
    expect(Object.keys(config?.dependencies ?? {})).toEqual(['f1', 'p1']);
  });

  it('names what compat keeps and what can move a score', () => {
    const model = deployedModel(['s']) as { component_config: Record<string, unknown> };
    const [predator] = model.component_config['predator_components'] as Record<string, unknown>[];
    predator!['deadline'] = 0;
    predator!['model_end_points'] = [
      { endpoint: 'a', percentage: 50 },
      { endpoint: 'b', percentage: 50 },
    ];
    predator!['inputs'] = [
      { name: 'x', features: ['price'], shape: [1], data_type: 'FP32' },
      { name: 'v', features: ['vector'], shape: [4], data_type: 'FP16' },
      { name: 'u', features: ['user_id'], shape: [1], data_type: 'BYTES' },
    ];
    const found = importModel('film', model).differences;
    const ofKind = (wanted: string) => found.filter(({ kind }) => kind === wanted).map(({ id }) => id);
    expect(ofKind('kept')).toEqual(expect.arrayContaining(['D4', 'D8', 'D10', 'F11', 'C5', 'C18', 'H14', 'H18']));
    expect(ofKind('kept')).not.toContain('G3');
    expect(ofKind('moves')).toEqual(['F1', 'F5', 'F7', 'F8', 'C11']);
    expect(found.find(({ id }) => id === 'F11')?.where).toEqual(['p1/v']);
  });

  it('reports ids and component names that the Go service mixed up', async () => {
    const other = {
      ...deployedModel(['s']),
      component_config: {
        numerix_components: [],
        feature_components: [{ component: 'p1', component_id: 'i', fs_keys: [{ schema: 'i', col: 'i' }], fs_flatten_resp_keys: ['i'] }],
      },
      response_config: { features: ['i'] },
    };
    const dump = store.file(
      'dump.json',
      dumpOf({ 'a-bc': deployedModel(['s']), 'ab-c': deployedModel(['s']), other }, { [`${store.base}-old/x`]: '1' }),
    );
    const { report } = await importReport(dump);
    expect(report.notes.join('\n')).toMatch(/A4: a-bc, ab-c were one model/);
    expect(report.notes.join('\n')).toMatch(/A17: the name p1/);
  });

  it('reads lines, folders of keys, model files and prefixes alike', async () => {
    const hashOf = async (...args: readonly string[]) => {
      const { report, error } = await importReport(...args);
      expect(error).toBe('');
      return report.models.map(({ model_config_id: id, hash }: Record<string, string>) => [id, hash]);
    };
    const model = deployedModel(['s']);
    const expected = [['film', checkModelConfig('film', { ...model, compat: 'go-1.0' }).config?.hash]];
    expect(await hashOf(store.file('lines.txt', `${store.base}/config-map/film\n${JSON.stringify(model, null, 2)}\n`))).toEqual(expected);
    expect(await hashOf(store.file('film.json', model))).toEqual(expected);
    expect(await hashOf(store.file('map.txt', `${store.base}/config-map\n${JSON.stringify({ film: model })}\n`))).toEqual(expected);
    for (const [folder, file] of [
      ['tree', 'config/inferflow/services/shop/model-config/config-map/film'],
      ['keys', 'config-map/film.json'],
      ['parts', 'model-config/config-map/film/component-config'],
      ['dir', 'models/film.json'],
    ] as const) {
      const path = join(store.directory, folder, file);
      mkdirSync(dirname(path), { recursive: true });
      if (folder !== 'parts') writeFileSync(path, JSON.stringify(model));
      else
        for (const [name, part] of Object.entries(model))
          writeFileSync(join(dirname(path), name.replaceAll('_', '-')), JSON.stringify(part));
      expect(await hashOf(join(store.directory, folder))).toEqual(expected);
    }
    store.etcd.put(store.key('film'), JSON.stringify(model));
    expect(await hashOf()).toEqual(expected);
    expect(await hashOf(store.base)).toEqual(expected);
    expect(await hashOf(`${store.base}/config-map/`)).toEqual(expected);
    expect(await hashOf('/config/inferflow/')).toEqual(expected);
    store.etcd.put('/config/inferflow/services/other/model-config/config-map/film', JSON.stringify(model));
    expect(await store.run(createImportCommand, '/config')).toMatchObject({ code: 2, error: expect.stringContaining('services/other/') });
    expect(await hashOf('/config', '--app', 'shop')).toEqual(expected);
    expect(await store.run(createImportCommand, '/tmp/mistyped')).toMatchObject({
      code: 2,
      error: expect.stringContaining('no file or folder'),
    });
  });

  it('asks which of several services, and says what it cannot read', async () => {
    const two = store.file(
      'two.txt',
      `/config/inferflow/services/a/model-config/config-map/m\n{}\n/config/inferflow/services/b/model-config/config-map/m\n${JSON.stringify(deployedModel(['s']))}\n`,
    );
    expect(await store.run(createImportCommand, two)).toMatchObject({ code: 2, error: expect.stringContaining('--app') });
    expect((await importReport(two, '--app', 'b')).code).toBe(0);
    expect(await store.run(createImportCommand, two, '--app', 'c')).toMatchObject({
      code: 2,
      error: expect.stringContaining('it has a, b'),
    });
    expect(await store.run(createImportCommand, 'nowhere')).toMatchObject({ code: 2, error: expect.stringContaining('no such file') });
    expect(await store.run(createImportCommand, store.file('odd.txt', 'odd'))).toMatchObject({
      code: 2,
      error: expect.stringContaining('no dump'),
    });
    const broken = store.file('broken.json', dumpOf({}, { [`${store.base}/config-map/m`]: '{' }));
    const { code, out } = await store.run(createImportCommand, broken);
    expect(code).toBe(1);
    expect(out).toContain('! m could not be taken');
  });

  it('gives models that can be pushed', async () => {
    const out = join(store.directory, 'out');
    const { out: text, code } = await store.run(
      createImportCommand,
      store.file('film.json', deployedModel(['s'])),
      '--out',
      out,
      '--report',
      join(out, 'report.json'),
    );
    expect(code).toBe(0);
    expect(text).toContain('kept alive by compat');
    expect(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')).complete).toBe(true);
    expect((await store.run(createPushCommand, out, '--yes')).code).toBe(0);
    expect(store.stored('film')).toMatchObject({ compat: 'go-1.0' });
  });
});

describe('inferflow export', () => {
  it('gives back what import took: the same meaning, in the deployed dialect, for any model', async () => {
    const name = fc.string({ minLength: 1, maxLength: 5 }).filter((text) => !text.includes('@'));
    const dims = fc.constantFrom([1], [2], [-1]);
    const type = fc.constantFrom('FP32', 'INT64', 'BYTES', 'FP16');
    const model = fc.record({
      scores: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
      inputs: fc.uniqueArray(fc.record({ name, features: fc.array(name, { minLength: 1, maxLength: 2 }), shape: dims, data_type: type }), {
        minLength: 1,
        maxLength: 3,
        selector: (each) => each.name,
      }),
      ttl: fc.nat({ max: 900 }),
      version: fc.integer({ min: 0, max: 15 }),
      logging: fc.nat({ max: 100 }),
    });
    fc.assert(
      fc.property(model, ({ scores, inputs, ttl, version, logging }) => {
        const raw = deployedModel(scores, { cache_ttl: ttl, cache_version: version }) as {
          component_config: { predator_components: object[] };
          response_config: object;
        };
        Object.assign(raw.component_config.predator_components[0]!, { inputs });
        Object.assign(raw.response_config, { logging_perc: logging });
        const first = importModel('m', raw);
        if (first.config === null) return;
        const second = importModel('m', JSON.parse(JSON.stringify(first.document)));
        expect(second.config !== null && sameMeaning(first.config, second.config)).toBe(true);
      }),
    );
  });

  it('writes a dump that etcdctl users know, from files or from etcd, and names what the Go service cannot do', async () => {
    const model = { ...deployedModel(['s']), request_values: 'typed', deadline: 50 };
    store.etcd.put(store.key('film'), JSON.stringify(model));
    store.etcd.put(`${store.base}/service-config`, '{"v2_logging_type": "arrow"}');
    const { out, error, code } = await store.run(createExportCommand);
    expect(code).toBe(0);
    expect(error).toMatch(/cannot: read typed values[\s\S]*deadline for the whole request/);
    const decoded = (JSON.parse(out).kvs as { key: string; value: string }[]).map(({ key, value }) =>
      [key, value].map((text) => Buffer.from(text, 'base64').toString()),
    );
    expect(decoded.map(([key]) => key)).toEqual([store.key('film'), `${store.base}/service-config`]);
    expect(JSON.parse(decoded[0]![1]!)).toMatchObject({ component_config: { predator_components: [{ component: 'p1' }] } });
    expect((await importReport(store.file('dump.json', out))).code).toBe(0);
    const lines = await store.run(createExportCommand, store.file('film.json', model), '--format', 'lines');
    expect((await importReport(store.file('lines.txt', lines.out))).code).toBe(0);
  });

  it('never writes outside of its folder, or under a key that servers do not read', async () => {
    const models = { '../../../../../../escaped': deployedModel(['s']), '': deployedModel(['s']), good: deployedModel(['s']) };
    const folder = join(store.directory, 'out', 'keys');
    const { code, error } = await store.run(createExportCommand, store.file('models.json', models), '-o', folder);
    expect(code).toBe(1);
    expect(error).toMatch(/escaped cannot be exported[\s\S]*holds a slash[\s\S]*is empty/);
    expect(readdirSync(join(folder, store.base, 'config-map'))).toEqual(['good']);
    const path = store.file('film.json', deployedModel(['s']));
    expect(await store.run(createExportCommand, path, '-o', folder, '--app', '../x')).toMatchObject({ code: 2 });
    store.variables = { APP_NAME: '' };
    expect((await store.run(createExportCommand, path, '-f', 'lines')).out).toContain('/services/inferflow/model-config/');
  });

  it('says which service settings cannot be exported', async () => {
    const path = store.file('film.json', deployedModel(['s']));
    mkdirSync(join(store.directory, 'models'));
    renameSync(path, join(store.directory, 'models', 'film.json'));
    for (const [text, reason] of [
      ['{', 'INFERFLOW_CONFIG_SYNTAX'],
      ['{"v2_logging_type": "arow"}', 'INFERFLOW_CONFIG_LOGGING_TYPE'],
    ] as const) {
      store.file('services.json', text);
      const { code, error, out } = await store.run(createExportCommand, store.directory, '-f', 'lines');
      expect([code, error]).toEqual([1, expect.stringContaining(reason)]);
      expect(out).toContain('/config-map/film');
      expect(out).not.toContain('service-config');
    }
  });

  it('writes to a pipe that is there, and leaves nothing where it cannot write', async () => {
    const path = store.file('film.json', deployedModel(['s']));
    const pipe = join(store.directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reading = readFile(pipe, 'utf8');
    expect((await store.run(createExportCommand, path, '--dump', pipe)).code).toBe(0);
    expect(await reading).toContain('"kvs"');
    mkdirSync(join(store.directory, 'taken'));
    const { code, error } = await store.run(createExportCommand, path, '--dump', join(store.directory, 'taken'));
    expect([code, error]).toEqual([2, expect.stringContaining('taken cannot be written: EISDIR')]);
    expect(readdirSync(store.directory).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('refuses what servers would refuse', async () => {
    expect(await store.run(createExportCommand, store.file('film.json', { component_config: {} }))).toMatchObject({
      code: 1,
      error: expect.stringContaining('cannot be exported'),
    });
  });
});
