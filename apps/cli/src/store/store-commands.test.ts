import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployedModel, StoreHarness } from '../testing/store-harness.js';
import { createHistoryCommand } from './history-command.js';
import { createPullCommand } from './pull-command.js';
import { createPushCommand } from './push-command.js';
import { createRollbackCommand } from './rollback-command.js';

let store: StoreHarness;
beforeEach(() => {
  store = new StoreHarness();
});
afterEach(() => store.close());

const pushed = (...args: readonly string[]) => store.run(createPushCommand, ...args, '--yes');

describe('inferflow push', () => {
  it('writes a new model in the documented dialect, and says what it wrote', async () => {
    const { out, code } = await pushed(store.file('film.json', deployedModel(['s'])), '-m', 'first');
    expect(code).toBe(0);
    expect(out).toMatch(/\+ film is new/);
    expect(out).toMatch(/pushed film: version 1, hash [0-9a-f]{16}, revision \d+/);
    expect(store.stored('film')).toMatchObject({ component_config: { predator_component_config: { p1: { model_name: 'm' } } } });
  });

  it('takes an id, a directory with service settings, and the deployed dialect when told', async () => {
    mkdirSync(join(store.directory, 'models'));
    store.file('models/a.json', deployedModel(['s']));
    store.file('models/b%2Dc.json', deployedModel(['t']));
    store.file('services.json', { v2_logging_type: 'proto' });
    expect((await pushed(store.directory, '--to', 'deployed')).code).toBe(0);
    expect(store.stored('a')).toMatchObject({ component_config: { predator_components: [{ component: 'p1' }] } });
    expect(store.stored('b-c')).toBeTruthy();
    expect(JSON.parse(store.etcd.text(`${store.base}/service-config`)!)).toEqual({
      'v2-logging-type': 'proto',
      'compression-enabled': false,
    });
    expect((await pushed(join(store.directory, 'models/a.json'), '--id', 'other')).code).toBe(0);
    expect(store.stored('other')).toBeTruthy();
    const again = await pushed(store.directory, '--to', 'deployed');
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining('nothing to push') });
  });

  it('takes a directory with nothing but service settings', async () => {
    store.file('services.json', { v2_logging_type: 'arrow', compression_enabled: true });
    expect((await pushed(store.directory)).out).toContain('pushed the service settings: version 1');
    expect(JSON.parse(store.etcd.text(`${store.base}/service-config`)!)).toEqual({
      'v2-logging-type': 'arrow',
      'compression-enabled': true,
    });
    mkdirSync(join(store.directory, 'models'));
    expect((await pushed(store.directory)).out).toContain('nothing to push');
  });

  it('refuses a logging type that would log nothing, unless forced', async () => {
    store.file('services.json', { v2_logging_type: 'avro' });
    const { out, code } = await pushed(store.directory);
    expect(code).toBe(1);
    expect(out).toContain('INFERFLOW_CONFIG_LOGGING_TYPE');
    expect(store.etcd.text(`${store.base}/service-config`)).toBeUndefined();
    expect((await pushed(store.directory, '--force')).code).toBe(0);
  });

  it('does not repeat a password that was written into an endpoint', async () => {
    const { error, code } = await pushed(store.file('film.json', deployedModel(['s'])), '--etcd', 'http://ada:sesame@etcd:2379');
    expect(code).toBe(2);
    expect(error).toContain('http://(hidden)@etcd:2379');
    expect(error).not.toContain('sesame');
  });

  it('refuses a model with errors before it asks etcd, with its problems', async () => {
    store.etcd.refusal = 'unreachable';
    const broken = { ...deployedModel(['s']), dag_execution_config: { component_dependency: { p1: ['p1'] } } };
    const { out, error, code } = await pushed(store.file('film.json', broken));
    expect(code).toBe(1);
    expect(out).toContain('INFERFLOW_CONFIG_CYCLE');
    expect(error).toContain('nothing was written');
  });

  it('refuses what only lint refuses, unless forced', async () => {
    const text = deployedModel(['s']) as {
      component_config: Record<string, unknown>;
      dag_execution_config: { component_dependency: Record<string, string[]> };
    };
    text.component_config['feature_components'] = [
      {
        component: 'f',
        component_id: 'item',
        fs_keys: [{ schema: 'item', col: 'item' }],
        fs_request: { label: 'item', featureGroups: [{ label: 'g', data_type: 'DataTypeString', features: ['name'] }] },
        fs_flatten_resp_keys: ['item'],
      },
    ];
    text.dag_execution_config.component_dependency = { f: ['feature_initializer'], p1: ['f'] };
    const [predator] = text.component_config['predator_components'] as { inputs: { features: string[] }[] }[];
    predator!.inputs[0]!.features = ['item:g:name'];
    const file = store.file('film.json', text);
    const { out, error, code } = await pushed(file);
    expect(code).toBe(1);
    expect(out).toContain('--force');
    expect(error).not.toContain('servers would refuse');
    expect((await pushed(file, '--force')).code).toBe(0);
  });

  it('refuses what breaks readers unless told that it may', async () => {
    await pushed(store.file('film.json', deployedModel(['s'])));
    const wider = store.file('film.json', deployedModel(['s', 't']));
    const { out, error, code } = await pushed(wider);
    expect(code).toBe(1);
    expect(out).toContain('[breaking]');
    expect(error).toContain('--allow-breaking');
    expect((await pushed(wider, '--allow-breaking')).code).toBe(0);
    expect((await pushed(store.file('film.json', deployedModel(['s', 't', 'u'], { cache_version: 2 })))).code).toBe(0);
  });

  it('asks a person, and writes nothing without a yes or without anybody to ask', async () => {
    const file = store.file('film.json', deployedModel(['s']));
    const alone = await store.run(createPushCommand, file);
    expect(alone).toMatchObject({ code: 2, error: expect.stringContaining('--yes') });
    store.answer = 'n';
    const no = await store.run(createPushCommand, file, '--author', 'Grace');
    expect(no).toMatchObject({ code: 1, error: expect.stringContaining('not confirmed') });
    expect(no.questions[0]).toMatch(/Push 1 version for shop at http:\/\/fake:2379, as Grace\?/);
    expect(store.etcd.has(store.key('film'))).toBe(false);
    store.answer = 'y';
    expect((await store.run(createPushCommand, file)).code).toBe(0);
  });

  it('says who was first when it loses a race, with a status of its own', async () => {
    const file = store.file('film.json', deployedModel(['s']));
    await pushed(file);
    store.etcd.beforeCommit = () => {
      store.etcd.beforeCommit = null;
      store.etcd.put(store.key('film'), '{}');
    };
    const lost = await pushed(store.file('film.json', deployedModel(['s'], { cache_ttl: 7 })));
    expect(lost).toMatchObject({ code: 3, error: expect.stringContaining('other means') });
    expect(store.stored('film')).toEqual({});
  });

  it('warns of what the Go service could no longer read or tell apart', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(deployedModel(['s'])));
    const same = await pushed(store.file('film.json', deployedModel(['s'])));
    expect(same.out).toContain('nothing to push');
    const { out } = await pushed(store.file('film.json', deployedModel(['s'], { cache_ttl: 7 })));
    expect(out).toContain('--to deployed');
    expect((await pushed(store.file('FI-LM.json', deployedModel(['s'])))).out).toContain('cannot tell FI-LM from film');
  });

  it.each([
    ['unreachable', 4],
    ['unauthenticated', 4],
    ['forbidden', 4],
  ] as const)('ends with a status of its own when etcd cannot be used: %s', async (kind, code) => {
    store.etcd.refusal = kind;
    expect(await pushed(store.file('film.json', deployedModel(['s'])))).toMatchObject({
      code,
      error: expect.stringContaining('inferflow push: '),
    });
  });

  it('reports as JSON, and says so in a dry run', async () => {
    const file = store.file('film.json', deployedModel(['s']));
    const dry = await store.run(createPushCommand, file, '--dry-run', '-f', 'json');
    expect(JSON.parse(dry.out)).toMatchObject({ pushed: false, models: [{ model_config_id: 'film', action: 'added' }] });
    const real = await pushed(file, '-f', 'json');
    expect(JSON.parse(real.out)).toMatchObject({ pushed: true, versions: [{ model_config_id: 'film', number: 1 }] });
  });

  it('asks what a model of standard input is called', async () => {
    store.stdin = JSON.stringify(deployedModel(['s']));
    expect(await pushed('-')).toMatchObject({ code: 2, error: expect.stringContaining('give --id') });
    expect(await pushed('-', '--id', 'film')).toMatchObject({ code: 0, out: expect.stringContaining('pushed film') });
    store.stdin = JSON.stringify({ other: deployedModel(['s']) });
    expect(await pushed('-')).toMatchObject({ code: 0, out: expect.stringContaining('pushed other') });
  });

  it('needs to know where etcd is, and a good id', async () => {
    const file = store.file('film.json', deployedModel(['s']));
    expect(await pushed(file, '--id', 'a/b')).toMatchObject({ code: 1, error: expect.stringContaining('slash') });
    store.variables = {};
    expect(await pushed(file)).toMatchObject({ code: 2, error: expect.stringContaining('ETCD_SERVER') });
    expect(await pushed(file, '--etcd', 'ftp://x')).toMatchObject({ code: 2, error: expect.stringContaining('endpoints') });
  });
});

describe('inferflow pull', () => {
  it('gives a model that can be pushed again unchanged, in either dialect and format', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(deployedModel(['s'])));
    for (const format of ['json', 'yaml']) {
      for (const dialect of ['documented', 'deployed']) {
        const { out, code } = await store.run(createPullCommand, 'film', '-f', format, '--to', dialect);
        expect(code).toBe(0);
        expect((await pushed(store.file(`film.${format}`, out))).out).toContain('nothing to push');
      }
    }
  });

  it('writes all models and the settings into a directory', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(deployedModel(['s'])));
    store.etcd.put(store.key('odd id%'), JSON.stringify(deployedModel(['s'])));
    store.etcd.put(store.key('broken'), '{');
    store.etcd.put(`${store.base}/service-config/v2-logging-type`, 'proto');
    const out = join(store.directory, 'out');
    const { code, error } = await store.run(createPullCommand, '--all', '--out', out);
    expect(code).toBe(1);
    expect(error).toContain('broken cannot be read');
    expect(existsSync(join(out, 'models/odd%20id%25.json'))).toBe(true);
    expect(JSON.parse(readFileSync(join(out, 'services.json'), 'utf8'))).toEqual({ v2_logging_type: 'proto', compression_enabled: false });
    expect((await pushed(out)).out).toContain('nothing to push');
  });

  it('writes nothing beside the same model in another format', async () => {
    for (const id of ['film', 'new']) store.etcd.put(store.key(id), JSON.stringify(deployedModel(['s'])));
    const out = join(store.directory, 'out');
    expect((await store.run(createPullCommand, 'film', '--out', out)).code).toBe(0);
    const { code, error } = await store.run(createPullCommand, 'new', 'film', '--out', out, '--format', 'yaml');
    expect([code, error]).toEqual([2, expect.stringMatching(/film\.json is there and would contradict .*film\.yaml: remove it/)]);
    expect(readdirSync(join(out, 'models'))).toEqual(['film.json']);
    expect((await store.run(createPullCommand, 'new', 'film', '--out', out)).code).toBe(0);
  });

  it('says that the settings cannot be read, and writes the models', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(deployedModel(['s'])));
    store.etcd.put(`${store.base}/service-config`, '{');
    const out = join(store.directory, 'out');
    const { code, error } = await store.run(createPullCommand, '--all', '--out', out);
    expect([code, error]).toEqual([1, expect.stringMatching(/service settings[\s\S]*INFERFLOW_CONFIG_SYNTAX/)]);
    expect(existsSync(join(out, 'models/film.json'))).toBe(true);
    expect(existsSync(join(out, 'services.json'))).toBe(false);
  });

  it('names the ids that are nearly the one asked for', async () => {
    store.etcd.put(store.key('Film-1'), JSON.stringify(deployedModel(['s'])));
    expect(await store.run(createPullCommand, 'film1')).toMatchObject({ code: 2, error: expect.stringContaining('did you mean Film-1?') });
  });
});

describe('inferflow history and rollback', () => {
  const version = (ttl: number) => store.file('film.json', deployedModel(['s'], { cache_ttl: ttl }));
  const ttlNow = () => (store.stored('film') as { component_config: { cache_ttl: number } }).component_config.cache_ttl;

  it('shows who wrote what, and which version is there', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(deployedModel(['s'])));
    await pushed(version(7), '-m', 'longer');
    const { out } = await store.run(createHistoryCommand, 'film');
    expect(out).toMatch(/\* 2 .* Ada .*push .*longer: /);
    expect(out).toMatch(/ {2}1 .*\? .*found/);
    const json = JSON.parse((await store.run(createHistoryCommand, 'film', '-f', 'json')).out);
    expect(json).toMatchObject({
      etcd: 2,
      versions: [
        { number: 1, current: false },
        { number: 2, current: true, author: 'Ada', message: 'longer' },
      ],
    });
    const shown = await store.run(createHistoryCommand, 'film', '--show', '1');
    expect(JSON.parse(shown.out)).toEqual(deployedModel(['s']));
    store.etcd.put(store.key('film'), '{}');
    expect((await store.run(createHistoryCommand, 'film')).out).toContain('written by other means');
  });

  it('goes back one version after another, and to any', async () => {
    for (const ttl of [1, 2, 3]) await pushed(version(ttl));
    const back = (...args: readonly string[]) => store.run(createRollbackCommand, 'film', '--yes', ...args);
    expect((await back()).out).toContain('rolled back film to version 2: version 4');
    expect(ttlNow()).toBe(2);
    await back();
    expect(ttlNow()).toBe(1);
    expect(await back()).toMatchObject({ code: 2, error: expect.stringContaining('no version before 1') });
    await back('--to', '3');
    expect(ttlNow()).toBe(3);
    expect((await back('--to', '3')).out).toContain('nothing to do');
    expect(await back('--to', '99')).toMatchObject({ code: 2, error: expect.stringContaining('there are 1 to 6') });
    store.etcd.put(store.key('film'), '{}');
    await back();
    expect(ttlNow()).toBe(3);
  });

  it('brings back a deleted model, and needs a history', async () => {
    await pushed(version(1));
    store.etcd.delete(store.key('film'));
    expect((await store.run(createRollbackCommand, 'film', '--yes')).code).toBe(0);
    expect(ttlNow()).toBe(1);
    expect(await store.run(createRollbackCommand, 'none', '--yes')).toMatchObject({
      code: 2,
      error: expect.stringContaining('no history'),
    });
    expect(await store.run(createHistoryCommand, 'none')).toMatchObject({ code: 2, error: expect.stringContaining('no model "none"') });
  });
});
