import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { configBase, readKeyLayout } from '../key-layout.js';
import { FakeEtcd } from '../testing/fake-etcd.js';
import { sampleModel } from '../testing/sample-model.js';
import { createModelStoreWith, type ModelWrite } from './model-store.js';
import type { ModelStoreOptions } from './model-store-options.js';

const base = configBase('shop');
const own = (id: string) => `${base}/config-map/${id}`;
const author = { author: 'ada', message: 'why' };

function storeOver(etcd: FakeEtcd, more: Partial<ModelStoreOptions> = {}) {
  return createModelStoreWith({ endpoints: ['http://fake'], appName: 'shop', ...more }, etcd.connect);
}

function push(modelConfigId: string | null, text: string): ModelWrite {
  return { modelConfigId, document: JSON.parse(text), action: 'push', summary: ['changed'] };
}

/** What a server would serve. */
function documents(etcd: FakeEtcd): Record<string, string> {
  const { models } = readKeyLayout(base, etcd.read(`${base}/`).entries);
  return Object.fromEntries([...models].map(([id, document]) => [id, 'text' in document ? document.text : '']));
}

describe('createModelStore', () => {
  it('writes new models in keys of their own, all in one transaction with their history', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd);
    const result = await store.write(await store.read(), [push('m1', sampleModel('a')), push('m10', sampleModel('b'))], author);
    expect(documents(etcd)).toEqual({ m1: sampleModel('a'), m10: sampleModel('b') });
    expect(etcd.transactions).toHaveLength(1);
    expect(result).toMatchObject({ revision: etcd.revision, transactions: 1 });
    const [entry, ...others] = await store.history('m1');
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      number: 1,
      action: 'push',
      author: 'ada',
      message: 'why',
      text: sampleModel('a'),
      revision: etcd.revision,
    });
    expect(entry?.hash).toMatch(/^[0-9a-f]{16}$/);
    expect(etcd.openConnections).toBe(0);
  });

  it('keeps what it replaces that is not in the history', async () => {
    const etcd = new FakeEtcd();
    etcd.put(own('m1'), sampleModel('control-plane'));
    const store = storeOver(etcd);
    await store.write(await store.read(), [push('m1', sampleModel('a'))], author);
    await store.write(await store.read(), [push('m1', sampleModel('b'))], author);
    etcd.put(own('m1'), sampleModel('by hand'));
    await store.write(await store.read(), [push('m1', sampleModel('c'))], author);
    const history = await store.history('m1');
    expect(
      history.map(({ number, action, text }) => [number, action, JSON.stringify(text).match(/end_point[^:]*:\\"([^\\]*)/)?.[1]]),
    ).toEqual([
      [1, 'found', 'control-plane'],
      [2, 'push', 'a'],
      [3, 'push', 'b'],
      [4, 'found', 'by hand'],
      [5, 'push', 'c'],
    ]);
  });

  it('refuses a write when a model was changed in between, and says by whom', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd);
    await store.write(await store.read(), [push('m1', sampleModel('a'))], author);
    const mine = await store.read();
    await store.write(await store.read(), [push('m1', sampleModel('theirs'))], { author: 'grace' });
    await expect(store.write(mine, [push('m1', sampleModel('mine')), push('m2', sampleModel('x'))], author)).rejects.toMatchObject({
      code: 'INFERFLOW_ETCD_LOST_RACE',
      message: expect.stringMatching(/m1 was written by grace at .*version 2/),
    });
    expect(documents(etcd)).toEqual({ m1: sampleModel('theirs') });
  });

  it('names other means when the history does not know who won', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd);
    const mine = await store.read();
    etcd.beforeCommit = () => {
      etcd.beforeCommit = null;
      etcd.put(own('m1'), sampleModel('theirs'));
    };
    await expect(store.write(mine, [push('m1', sampleModel('mine'))], author)).rejects.toThrow('other means');
    expect(documents(etcd)).toEqual({ m1: sampleModel('theirs') });
  });

  it('writes into the one key of all models where that is the form, and leaves the others as they are', async () => {
    const etcd = new FakeEtcd();
    etcd.put(`${base}/config-map`, `\uFEFF{"m1": ${sampleModel('a')}, "m2": ${sampleModel('b')}, "10": {"odd": 1.50}}`);
    const store = storeOver(etcd);
    const before = documents(etcd);
    const stored = await store.read();
    expect(stored.models.get('m1')).toMatchObject({ form: 'map', modRevision: etcd.revision });
    await store.write(stored, [push('m2', sampleModel('c')), push('m3', sampleModel('d'))], author);
    expect(documents(etcd)).toEqual({ ...before, m2: sampleModel('c'), m3: sampleModel('d') });
    expect(etcd.has(own('m2'))).toBe(false);
    await expect(store.write(stored, [push('m1', sampleModel('late'))], author)).rejects.toMatchObject({
      code: 'INFERFLOW_ETCD_LOST_RACE',
    });
  });

  it('loses when a key of all models appears, which would hide what is written', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd);
    const stored = await store.read();
    etcd.put(`${base}/config-map`, `{"m2": ${sampleModel('b')}}`);
    await expect(store.write(stored, [push('m1', sampleModel('a'))], author)).rejects.toMatchObject({ code: 'INFERFLOW_ETCD_LOST_RACE' });
  });

  it('makes one key of a model in parts, keeps odd spellings, and writes over keys without content', async () => {
    const etcd = new FakeEtcd();
    const parts = JSON.parse(sampleModel('a')) as Record<string, unknown>;
    for (const [name, part] of Object.entries(parts)) etcd.put(own(`parts/${name.replaceAll('_', '-')}`), JSON.stringify(part));
    etcd.put(`${base}/configMap/odd`, sampleModel('b'));
    etcd.put(own('empty'), '');
    const store = storeOver(etcd);
    const stored = await store.read();
    expect(stored.models.get('parts')?.form).toBe('parts');
    const writes = ['parts', 'odd', 'empty'].map((id) => push(id, sampleModel('new')));
    await store.write(stored, writes, author);
    expect(documents(etcd)).toEqual({ parts: sampleModel('new'), odd: sampleModel('new'), empty: sampleModel('new') });
    expect(etcd.has(own('parts/component-config'))).toBe(false);
    expect(etcd.has(own('odd'))).toBe(false);
    expect((await store.history('parts')).map(({ action }) => action)).toEqual(['found', 'push']);
  });

  it('writes service settings beside those of others', async () => {
    const etcd = new FakeEtcd();
    etcd.put(`${base}/service-config`, '{"v2_logging_type": "proto", "predator-hosts": "a,b"}');
    const store = storeOver(etcd);
    await store.write(await store.read(), [push(null, '{"v2-logging-type": "arrow"}')], author);
    expect(JSON.parse(etcd.text(`${base}/service-config`)!)).toEqual({ 'predator-hosts': 'a,b', 'v2-logging-type': 'arrow' });
    expect(await store.history(null)).toMatchObject([{ action: 'found' }, { action: 'push', modelConfigId: null }]);
  });

  it('keeps as many versions as asked for', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd, { keptVersions: 3 });
    for (const version of ['a', 'b', 'c', 'd', 'e']) await store.write(await store.read(), [push('m1', sampleModel(version))], author);
    await store.write(await store.read(), [push('m10', sampleModel('x'))], author);
    expect((await store.history('m1')).map(({ number }) => number)).toEqual([3, 4, 5]);
    expect(await store.history('m10')).toHaveLength(1);
  });

  it('takes several transactions for more than etcd takes at once, in either form', async () => {
    for (const form of ['key', 'map']) {
      const etcd = new FakeEtcd();
      if (form === 'map') etcd.put(`${base}/config-map`, `{"m0": ${sampleModel('a')}}`);
      const store = storeOver(etcd, { maxOperations: 20 });
      const writes = Array.from({ length: 30 }, (_, index) => push(`m${index}`, sampleModel(`host${index}`)));
      const stored = await store.read();
      const expected = await store.countTransactions(stored, writes, author);
      const result = await store.write(stored, writes, author);
      expect(result.transactions).toBe(expected);
      expect(result.transactions).toBeGreaterThan(1);
      expect(etcd.transactions.every(({ compare, put }) => Math.max(compare.length, put.length) <= 20)).toBe(true);
      expect(Object.keys(documents(etcd))).toHaveLength(30);
      expect(result.entries.map(({ modelConfigId }) => modelConfigId)).toEqual(writes.map(({ modelConfigId }) => modelConfigId));
    }
  });

  it('keeps a version without its text when both do not fit, and refuses what does not fit at all', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd, { maxRequestBytes: 40_000 });
    const large = (bytes: number) => JSON.stringify({ ...JSON.parse(sampleModel('a')), note: randomBytes(bytes / 2).toString('hex') });
    await store.write(await store.read(), [push('m1', large(30_000))], author);
    expect(await store.history('m1')).toMatchObject([{ action: 'push', text: null }]);
    expect(documents(etcd)['m1']).toHaveLength(large(30_000).length);
    await expect(store.write(await store.read(), [push('m2', large(50_000))], author)).rejects.toMatchObject({
      code: 'INFERFLOW_ETCD_TOO_LARGE',
      message: expect.stringMatching(/model "m2".* etcd takes 40000/),
    });
  });

  it('finds out whether a write whose answer was lost took place', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd);
    etcd.losesAnswers = true;
    const result = await store.write(await store.read(), [push('m1', sampleModel('a'))], author);
    expect(result.revision).toBe(etcd.revision);
    etcd.losesAnswers = false;
    etcd.writeRefusal = 'no-leader';
    const stored = await store.read();
    await expect(store.write(stored, [push('m1', sampleModel('b'))], author)).rejects.toThrow('nothing was written');
  });

  it('says which permission is missing', async () => {
    const etcd = new FakeEtcd();
    const store = storeOver(etcd);
    etcd.writeRefusal = 'forbidden';
    await expect(store.write(await store.read(), [push('m1', sampleModel('a'))], author)).rejects.toThrow(
      `write access to ${base}/ and /inferflow/history/shop/`,
    );
    etcd.refusal = 'forbidden';
    await expect(store.read()).rejects.toThrow(/^etcd: /);
    await expect(store.read()).rejects.toThrow(`read access to ${base}/`);
    expect(etcd.openConnections).toBe(0);
  });

  it.each(['', 'a/b', 'a\nb', ' a', '\ud800', 'x'.repeat(600)])('refuses an id like %#', async (id) => {
    const store = storeOver(new FakeEtcd());
    const stored = await store.read();
    await expect(store.write(stored, [push(id, sampleModel('a'))], author)).rejects.toMatchObject({ code: 'INFERFLOW_ETCD_BAD_ID' });
  });

  it('writes nothing while the one key of all models is broken', async () => {
    const etcd = new FakeEtcd();
    etcd.put(`${base}/config-map`, '{"m1": ');
    const store = storeOver(etcd);
    const stored = await store.read();
    await expect(store.write(stored, [push('m1', sampleModel('a'))], author)).rejects.toMatchObject({ code: 'INFERFLOW_ETCD_UNWRITABLE' });
  });
});
