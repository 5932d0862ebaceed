import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { createEtcdSource } from '../etcd-source.js';
import { configBase } from '../key-layout.js';
import { Follower, serving } from '../testing/follower.js';
import { hasRealEtcd, RealEtcd } from '../testing/real-etcd.js';
import { sampleModel } from '../testing/sample-model.js';
import { createModelStore, type ModelStore, type ModelWrite } from './model-store.js';
import type { ModelStoreOptions } from './model-store-options.js';

const base = configBase('shop');
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function etcd(...options: readonly string[]): RealEtcd {
  const started = new RealEtcd(...options);
  cleanUps.push(() => started.stop());
  return started;
}

function storeOf(real: RealEtcd, more: Partial<ModelStoreOptions> = {}): ModelStore {
  return createModelStore({ endpoints: real.endpoints, appName: 'shop', tls: real.tls, ...more });
}

const push = (modelConfigId: string, text: string): ModelWrite => ({
  modelConfigId,
  document: JSON.parse(text),
  action: 'push',
  summary: ['changed'],
});
const author = { author: 'ada' };

/** A user who may push: the grants of the guide. */
function addPusher(real: RealEtcd): void {
  const encode = (text: string) => Buffer.from(text).toString('base64');
  real.api('auth/user/add', { name: 'pusher', password: 'pusher' });
  real.api('auth/role/add', { name: 'pusher' });
  for (const prefix of [`${base}/`, '/inferflow/history/shop/']) {
    const end = `${prefix.slice(0, -1)}0`;
    real.api('auth/role/grant', { name: 'pusher', perm: { permType: 'READWRITE', key: encode(prefix), range_end: encode(end) } });
  }
  real.api('auth/user/grant', { user: 'pusher', role: 'pusher' });
}

describe.skipIf(!hasRealEtcd())('createModelStore over a real etcd', () => {
  it('writes what a source serves at once, in every form, and keeps the history', async () => {
    const real = etcd();
    await real.put(`${base}/config-map/m1`, sampleModel('control-plane'));
    const parts = JSON.parse(sampleModel('parts')) as Record<string, unknown>;
    for (const [name, part] of Object.entries(parts))
      await real.put(`${base}/config-map/m2/${name.replaceAll('_', '-')}`, JSON.stringify(part));
    const source = createEtcdSource({ endpoints: real.endpoints, appName: 'shop', waitForFirst: false });
    cleanUps.push(() => source.close());
    const follower = new Follower();
    follower.listen(await source.start(follower.listen));
    const store = storeOf(real);
    const result = await store.write(
      await store.read(),
      ['m1', 'm2', 'm3'].map((id) => push(id, sampleModel(`new-${id}`))),
      author,
    );
    const wanted = { m1: 'new-m1', m2: 'new-m2', m3: 'new-m3' };
    await follower.until((snapshot) => JSON.stringify(serving(snapshot)) === JSON.stringify(wanted), 5000);
    const history = await store.history('m1');
    expect(history.map(({ action, revision }) => [action, revision])).toEqual([
      ['found', result.revision],
      ['push', result.revision],
    ]);
    expect((await store.read()).models.get('m2')).toMatchObject({ form: 'key', modRevision: result.revision });
    await real.put(`${base}/config-map`, JSON.stringify({ m1: JSON.parse(sampleModel('in map')) }));
    await store.write(await store.read(), [push('m4', sampleModel('in map'))], author);
    await follower.until((snapshot) => JSON.stringify(serving(snapshot)) === '{"m1":"in map","m4":"in map"}', 5000);
  });

  it('lets one of many pushes at the same time win, whole, and tells the others', async () => {
    const real = etcd();
    const store = storeOf(real);
    const stored = await store.read();
    const pushes = Array.from({ length: 8 }, (_, index) => {
      const writes = ['a', 'b', 'c'].map((id) => push(id, sampleModel(`host${index}`)));
      return store.write(stored, writes, { author: `author${index}` }).then(() => index);
    });
    const results = await Promise.allSettled(pushes);
    const winners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({ code: 'INFERFLOW_ETCD_LOST_RACE', message: expect.stringContaining(`author${winners[0]}`) });
      }
    }
    for (const id of ['a', 'b', 'c']) {
      expect((await store.history(id)).map(({ author: who }) => who)).toEqual([`author${winners[0]}`]);
      expect(JSON.stringify((await store.read()).models.get(id))).toContain(`host${winners[0]}`);
    }
  });

  it('takes as much as etcd takes, refuses more, and writes hundreds of models in a few transactions', async () => {
    const real = etcd();
    const store = storeOf(real);
    const sized = (bytes: number) => JSON.stringify({ ...JSON.parse(sampleModel('large')), note: randomBytes(bytes / 2).toString('hex') });
    await store.write(await store.read(), [push('large', sized(1_500_000))], author);
    expect(await store.history('large')).toMatchObject([{ text: null }]);
    await expect(store.write(await store.read(), [push('large', sized(1_600_000))], author)).rejects.toMatchObject({
      code: 'INFERFLOW_ETCD_TOO_LARGE',
    });
    const stubborn = storeOf(real, { maxRequestBytes: 10_000_000 });
    await expect(stubborn.write(await store.read(), [push('large', sized(1_600_000))], author)).rejects.toMatchObject({
      kind: 'too-large',
    });
    const many = Array.from({ length: 300 }, (_, index) => push(`m${index}`, sampleModel(`host${index}`)));
    const { transactions } = await store.write(await store.read(), many, author);
    expect(transactions).toBeGreaterThan(1);
    expect(transactions).toBeLessThan(12);
    expect((await store.read()).models.size).toBe(301);
  });

  it('needs exactly the permissions of the guide, and names what is missing', async () => {
    const real = etcd('--auth');
    addPusher(real);
    const login = { username: 'pusher', password: 'pusher' };
    const store = storeOf(real, login);
    await store.write(await store.read(), [push('m1', sampleModel('a'))], author);
    await store.write(await store.read(), [push('m1', sampleModel('b'))], author);
    expect(await store.history('m1')).toHaveLength(2);
    const reader = storeOf(real, { username: 'reader', password: 'reader' });
    expect((await reader.read()).models.size).toBe(1);
    await expect(reader.history('m1')).rejects.toMatchObject({
      kind: 'forbidden',
      message: expect.stringContaining('/inferflow/history/shop/'),
    });
    await expect(storeOf(real, { ...login, appName: 'other' }).read()).rejects.toMatchObject({ kind: 'forbidden' });
    await expect(storeOf(real, { ...login, password: 'wrong' }).read()).rejects.toMatchObject({ kind: 'unauthenticated' });
    await expect(storeOf(real).read()).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  it('works over TLS with a client certificate, below a namespace', async () => {
    const real = etcd('--tls');
    const store = storeOf(real, { namespace: '/team' });
    await store.write(await store.read(), [push('m1', sampleModel('a'))], author);
    expect((await store.read()).models.get('m1')?.form).toBe('key');
    expect(await store.history('m1')).toHaveLength(1);
    expect((await storeOf(real).read()).models.size).toBe(0);
    await expect(storeOf(real, { tls: { ca: real.tls?.ca ?? '' }, callTimeoutMs: 2000 }).read()).rejects.toThrow(/etcd at/);
  });

  it('ends in time when etcd is down or hangs, at each step', async () => {
    const real = etcd();
    const store = storeOf(real, { callTimeoutMs: 500 });
    const stored = await store.read();
    real.do('pause', '0');
    const begin = performance.now();
    await expect(store.read()).rejects.toMatchObject({ kind: 'timeout' });
    await expect(store.write(stored, [push('m1', sampleModel('a'))], author)).rejects.toMatchObject({ kind: 'timeout' });
    expect(performance.now() - begin).toBeLessThan(10_000);
    real.do('resume', '0');
    real.do('kill', '0');
    await expect(store.read()).rejects.toMatchObject({ kind: 'unreachable' });
    real.do('restart', '0');
    await store.write(await store.read(), [push('m1', sampleModel('a'))], author);
  });
});
