import type { ConfigDocument } from '@inferflow/config';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { configBase, KeyLayout, readKeyLayout } from './key-layout.js';
import type { KeyEntry } from './key-places.js';

const base = configBase('shop');

function read(keys: Record<string, string>) {
  return readKeyLayout(
    base,
    Object.entries(keys).map(([key, text]) => ({ key: `${base}/${key}`, text })),
  );
}

const text = (document: ConfigDocument | undefined) => (document !== undefined && 'text' in document ? document.text : document);
const models = (keys: Record<string, string>) => Object.fromEntries([...read(keys).models].map(([id, document]) => [id, text(document)]));

describe('readKeyLayout', () => {
  it.each<[string, Record<string, string>, Record<string, unknown>]>([
    ['one key per model', { 'config-map/m1': '{"a":1}', 'config-map/m10': '{"b":2}' }, { m1: '{"a":1}', m10: '{"b":2}' }],
    [
      'path words without regard to case and dashes',
      { 'configMap/a': '1', 'CONFIG-MAP/b': '2', 'con-fig-map/c': '3' },
      { a: '1', b: '2', c: '3' },
    ],
    [
      'ids exactly as written',
      { 'config-map/a-bc': '1', 'config-map/ab-c': '2', 'config-map/AB-C': '3' },
      { 'a-bc': '1', 'ab-c': '2', 'AB-C': '3' },
    ],
    ['an id that looks like a path word', { 'config-map/component-config': '1' }, { 'component-config': '1' }],
    [
      'ids that an object has of itself',
      { 'config-map/constructor': '1', 'config-map/toString': '2' },
      { constructor: '1', toString: '2' },
    ],
    ['no model for an empty value', { 'config-map/a': '', 'config-map/b': ' \n', 'config-map/c': '1' }, { c: '1' }],
    ['no model for an underscore in a path word', { 'config_map/a': '1' }, {}],
    ['no model beside the folder', { 'config-map-old/a': '1', 'config-mapa': '1', 'x/config-map/a': '1' }, {}],
    ['no model for a nested or unfinished id', { 'config-map/a/b': '1', 'config-map/': '1', 'config-map/a/component-config/x': '1' }, {}],
    ['all models in one key', { 'config-map': '{"a":{"x":1},"b":null}' }, { a: '{"x":1}', b: 'null' }],
    ['the one key before the keys below it', { 'config-map': '{"a":{}}', 'config-map/b': '{}' }, { a: '{}' }],
    ['the keys below when the one key is empty', { 'config-map': ' ', 'config-map/b': '{}' }, { b: '{}' }],
    ['an empty map that holds no models', { 'config-map': '{}', 'config-map/b': '{}' }, {}],
    [
      'the parts of a model',
      { 'config-map/a/component-config': '{"c":1}', 'config-map/a/dag-execution-config': '{}', 'config-map/a/ResponseConfig': '{"r":1}' },
      { a: '{"dag_execution_config":{},"component_config":{"c":1},"response_config":{"r":1}}' },
    ],
    ['a model of some parts only', { 'config-map/a/response-config': '{}' }, { a: '{"response_config":{}}' }],
    ['a whole model before its parts', { 'config-map/a': '{"w":1}', 'config-map/a/component-config': '{}' }, { a: '{"w":1}' }],
    ['the usual spelling of a key before others', { 'configmap/a': '1', 'config-map/a': '2', 'CONFIGMAP/a': '3' }, { a: '2' }],
  ])('reads %s', (_what, keys, expected) => {
    expect(models(keys)).toEqual(expected);
  });

  it('tells models whose keys are empty from those that have none', () => {
    const { emptied } = read({ 'config-map/a': '', 'config-map/b': '1', 'config-map/c/component-config': ' ', configMap: '' });
    expect([...emptied].sort()).toEqual(['a', 'c']);
    expect(read({ 'config-map': '{"b":1}', 'config-map/a': '' }).emptied.size).toBe(0);
    const layout = new KeyLayout(base);
    const map = (value: string) => layout.read([{ key: `${base}/config-map`, text: value }]);
    map('{"a":1,"b":2}');
    map('{');
    expect([...map('').emptied]).toEqual(['a', 'b']);
    const own = { key: `${base}/config-map/a`, text: '1' };
    layout.read([{ key: `${base}/config-map`, text: '' }, own]);
    expect([...map('').emptied], 'the key of its own was deleted').toEqual(['b']);
    layout.read([own]);
    expect(map('').emptied.size, 'the one key was').toBe(0);
  });

  it('says which part of a model is not JSON', () => {
    const document = read({ 'config-map/a/component-config': '{"c":1}', 'config-map/a/response-config': '{' }).models.get('a');
    expect(document).toMatchObject({ problem: { code: 'INFERFLOW_CONFIG_SYNTAX', path: '$.response_config' } });
  });

  it('reads texts that begin with a byte order mark, and names the place of what is no JSON, whatever the form', () => {
    const parts = { 'config-map/a/component-config': '\uFEFF{"c":1}', 'config-map/a/response-config': '\uFEFF{"r":1}' };
    expect(text(read(parts).models.get('a'))).toBe('{"component_config":{"c":1},"response_config":{"r":1}}');
    const map = read({ 'config-map': '\uFEFF{"a":{"c":1}}' });
    expect(map.mapProblem).toBeUndefined();
    expect(text(map.models.get('a'))).toBe('{"c":1}');
    const problem = (document: ConfigDocument | undefined) =>
      document !== undefined && 'problem' in document ? document.problem.message : '';
    expect(problem(read({ 'config-map/a/component-config': '[1,\n]' }).models.get('a'))).toContain('line 2, column 1');
    expect(read({ 'config-map': '{"a": [1,\n]}' }).mapProblem?.message).toContain('/config-map is not valid JSON: line 2, column 1');
  });

  it('lets no member of the one key of all models be in the way of the others', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const layout = read({ 'config-map': `{"$schema": "models.schema.json", "a": {"c":1}, "deep": ${deep}}` });
    expect([...layout.models.keys()]).toEqual(['a', 'deep']);
    expect(text(layout.models.get('a'))).toBe('{"c":1}');
    // Where the runtime writes text of any depth, the check of the model says the same of it.
    const document = layout.models.get('deep');
    const isRefused = document !== undefined && 'problem' in document && document.problem.code === 'INFERFLOW_CONFIG_TOO_DEEP';
    expect(isRefused || text(document) === deep).toBe(true);
  });

  it.each([
    ['{', 'INFERFLOW_CONFIG_SYNTAX'],
    ['[]', 'INFERFLOW_CONFIG_WRONG_TYPE'],
    ['null', 'INFERFLOW_CONFIG_WRONG_TYPE'],
    ['"x"', 'INFERFLOW_CONFIG_WRONG_TYPE'],
  ])('knows nothing about any model when the one key holds %s', (value, code) => {
    const layout = read({ 'config-map': value, 'config-map/a': '{}' });
    expect(layout.models.size).toBe(0);
    expect(layout.mapProblem?.code).toBe(code);
    expect(layout.mapProblem?.message).toContain('/config-map');
  });

  it.each<[string, Record<string, string>, string | undefined]>([
    ['an object', { 'service-config': '{"v2-logging-type":"proto"}' }, '{"v2-logging-type":"proto"}'],
    [
      'single settings',
      { 'service-config/v2-logging-type': 'arrow', 'serviceconfig/CompressionEnabled': 'T' },
      '{"v2-logging-type":"arrow","compression-enabled":true}',
    ],
    ['the object before single settings', { 'service-config': '{}', 'service-config/v2-logging-type': 'arrow' }, '{}'],
    ['a boolean that is none', { 'service-config/compression-enabled': 'yes' }, '{"compression-enabled":"yes"}'],
    ['0 as false', { 'service-config/compression-enabled': '0' }, '{"compression-enabled":false}'],
    ['nothing', { 'service-config': '', 'service-config/other': 'x', 'service-config-2': '{}' }, undefined],
  ])('reads service settings: %s', (_what, keys, expected) => {
    expect(text(read(keys).service)).toBe(expected);
  });

  it('names the keys it ignores, but not the control plane’s own', () => {
    const layout = read({ 'config-map-old/a': '1', 'service-config/predator-hosts': 'h', 'config-map/a': '1', other: '' });
    expect(layout.ignoredKeys).toEqual([`${base}/config-map-old/a`]);
  });

  it('takes no notice of keys outside the base', () => {
    expect(readKeyLayout(base, [{ key: `${base}-2/config-map/a`, text: '1' }]).models.size).toBe(0);
  });

  it('gives what a naive reading of per-model keys gives, in any order of the keys', () => {
    const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,4}$/);
    const value = fc.constantFrom('', ' ', '{}', '{"a":1}', '{', 'x');
    const word = fc.constantFrom('config-map', 'configMap', 'config-map-2', 'config');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(word, id, value), { selector: ([folder, name]) => `${folder}/${name}` }),
        fc.nat(),
        (keys, turn) => {
          const expected = new Map<string, string>();
          for (const folder of ['configMap', 'config-map'])
            for (const [at, name, content] of keys) if (at === folder && content.trim() !== '') expected.set(name, content);
          const rotated = [...keys.slice(turn % (keys.length + 1)), ...keys.slice(0, turn % (keys.length + 1))];
          const entries = rotated.map(([folder, name, content]) => ({ key: `${base}/${folder}/${name}`, text: content }));
          const found = readKeyLayout(base, entries).models;
          expect(new Map([...found].map(([name, document]) => [name, text(document)]))).toEqual(expected);
        },
      ),
    );
  });

  it('gives the same models from one key, from a key each and from parts', () => {
    const json = fc.jsonValue({ maxDepth: 2 });
    const parts = fc.record({ dag_execution_config: json, component_config: json, response_config: json });
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-zA-Z0-9-]{1,6}$/), parts), (given) => {
        const parsed = (keys: Record<string, string>) =>
          new Map([...read(keys).models].map(([id, document]) => [id, JSON.parse(String(text(document)))]));
        const one = parsed({ 'config-map': JSON.stringify(given) });
        const each = parsed(Object.fromEntries(Object.entries(given).map(([id, model]) => [`config-map/${id}`, JSON.stringify(model)])));
        const apart = parsed(
          Object.fromEntries(
            Object.entries(given).flatMap(([id, model]) =>
              Object.entries(model).map(([part, value]) => [`config-map/${id}/${part.replaceAll('_', '-')}`, JSON.stringify(value)]),
            ),
          ),
        );
        expect(each).toEqual(one);
        expect(apart).toEqual(one);
      }),
    );
  });
});

describe('KeyLayout', () => {
  it('gives the same documents for entries that have not changed, in every form', () => {
    const layout = new KeyLayout(base);
    const entry = (key: string, content: string): KeyEntry => ({ key: `${base}/${key}`, text: content });
    const entries = [
      entry('config-map/a', '{}'),
      entry('config-map/b/component-config', '{}'),
      entry('service-config/v2-logging-type', 'proto'),
    ];
    const first = layout.read(entries);
    const second = layout.read([...entries, entry('config-map/c', '{}')]);
    expect(second.models.get('a')).toBe(first.models.get('a'));
    expect(second.models.get('b')).toBe(first.models.get('b'));
    expect(second.service).toBe(first.service);
    const map = entry('config-map', '{"a":{"x":1}}');
    expect(layout.read([map]).models.get('a')).toBe(layout.read([map, ...entries]).models.get('a'));
    const changed = layout.read([...entries.slice(0, 1), entry('config-map/b/component-config', '{"y":1}')]);
    expect(changed.models.get('b')).not.toBe(first.models.get('b'));
    expect(changed.service).toBeUndefined();
  });
});
