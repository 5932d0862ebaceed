import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looksLikeDump, parseDump } from './parse-dump.js';

const base = '/config/inferflow/services/shop/model-config';
const entries = [
  { key: `${base}/config-map/m1`, text: '{"a": 1}' },
  { key: `${base}/config-map/Ünïcode-💡`, text: '{"a": "line\\n\\"quoted\\" 💡"}' },
  { key: `${base}/service-config/v2-logging-type`, text: 'proto' },
];
const encode = (text: string) => Buffer.from(text).toString('base64');
const asJson = (all: typeof entries) =>
  JSON.stringify({ header: { revision: 3 }, kvs: all.map(({ key, text }) => ({ key: encode(key), value: encode(text), lease: 0 })) });

describe('parseDump', () => {
  it('reads what etcdctl prints as JSON, also of several calls', () => {
    expect(parseDump(asJson(entries), 'x')).toEqual(entries);
    expect(parseDump(`${asJson(entries.slice(0, 1))}\n${asJson(entries.slice(1))}\n`, 'x')).toEqual(entries);
    expect(parseDump(JSON.stringify(JSON.parse(asJson(entries)), null, 2), 'x')).toEqual(entries);
  });

  it('reads fields, with the escapes of Go', () => {
    const text =
      '"ClusterID" : 1\n"Key" : "/config/a/services/shop/model-config/config-map/\\xc3\\x9cn"\n"CreateRevision" : 2\n"Value" : "{\\"a\\": \\"x\\\\n\\t\\u2028💡\\"}"\n"Lease" : 0\n"More" : false\n"Count" : 1\n';
    expect(parseDump(text, 'x')).toEqual([{ key: '/config/a/services/shop/model-config/config-map/Ün', text: '{"a": "x\\n\t\u2028💡"}' }]);
  });

  it('reads lines: a key and its value below, also over several lines, or beside', () => {
    expect(parseDump(entries.map(({ key, text }) => `${key}\n${text}\n`).join(''), 'x')).toEqual(entries);
    expect(parseDump(`${base}/config-map/m1\r\n{\r\n  "a": 1\r\n}\r\n\r\n${base}/config-map/m2\r\n\r\n`, 'x')).toEqual([
      { key: `${base}/config-map/m1`, text: '{\n  "a": 1\n}' },
      { key: `${base}/config-map/m2`, text: '' },
    ]);
    for (const separator of [' ', '\t', '=', ': ', ' = ']) {
      expect(parseDump(entries.map(({ key, text }) => `${key}${separator}${text}`).join('\n'), 'x')).toEqual(entries);
    }
    expect(parseDump(`${base}/config-map/two words\n{"a": 1}\n`, 'x')).toEqual([{ key: `${base}/config-map/two words`, text: '{"a": 1}' }]);
  });

  it('reads an object of values by key', () => {
    expect(parseDump(JSON.stringify({ [entries[0]!.key]: { a: 1 }, [entries[2]!.key]: 'proto' }), 'x')).toEqual([
      { ...entries[0], text: '{"a":1}' },
      entries[2],
    ]);
  });

  it('knows a dump from a model, and refuses anything else', () => {
    expect(looksLikeDump(asJson(entries))).toBe(true);
    expect(looksLikeDump(`${base}/config-map/m1\n{}`)).toBe(true);
    expect(looksLikeDump('{"component_config": {}}')).toBe(false);
    expect(looksLikeDump('dag_execution_config:\n  a: 1\n')).toBe(false);
    expect(() => parseDump('what is this', 'file.txt')).toThrow('file.txt is no dump of etcd');
  });

  it('refuses a dump that a limit has cut, in every form that says so', () => {
    const kvs = [{ key: Buffer.from(`${base}/config-map/a`).toString('base64'), value: '' }];
    const [cut, last] = [JSON.stringify({ header: {}, kvs, more: true, count: 2 }), JSON.stringify({ header: {}, kvs, count: 1 })];
    expect(() => parseDump(cut, 'x')).toThrow(/x holds only a part of the keys.*--limit/);
    expect(() => parseDump(`"Key" : "${base}/config-map/a"\n"Value" : ""\n"More" : true\n"Count" : 2\n`, 'x')).toThrow('only a part');
    expect(parseDump(`${cut}\n${last}\n`, 'x')).toHaveLength(2);
  });

  it('gives back any entries', () => {
    const id = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/[\s/=:\p{C}]/u.test(text));
    const entry = fc.record({
      key: id.map((text) => `${base}/config-map/${text}`),
      text: fc.object().map((value) => JSON.stringify(value)),
    });
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1 }), (all) => {
        expect(parseDump(asJson(all), 'x')).toEqual(all);
        expect(parseDump(all.map(({ key, text }) => `${key}\n${text}\n`).join(''), 'x')).toEqual(all);
      }),
    );
  });
});
