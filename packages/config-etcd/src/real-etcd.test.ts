import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSnapshotStore } from '@inferflow/config';
import { afterEach, describe, expect, it } from 'vitest';
import { createEtcdSource, type EtcdSource } from './etcd-source.js';
import type { EtcdSourceOptions } from './etcd-source-options.js';
import { configBase } from './key-layout.js';
import { Follower, serving } from './testing/follower.js';
import { hasRealEtcd, RealEtcd } from './testing/real-etcd.js';
import { sampleModel } from './testing/sample-model.js';

const base = configBase('shop');
const model = (id: string) => `${base}/config-map/${id}`;
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function etcd(...options: readonly string[]): RealEtcd {
  const started = new RealEtcd(...options);
  cleanUps.push(() => started.stop());
  return started;
}

async function follow(real: RealEtcd, options: Partial<EtcdSourceOptions> = {}): Promise<{ source: EtcdSource; follower: Follower }> {
  const user = real.variables.ETCD_READER === undefined ? {} : { username: 'reader', password: 'reader' };
  const source = createEtcdSource({
    endpoints: real.endpoints,
    appName: 'shop',
    waitForFirst: false,
    checkIntervalMs: 500,
    tls: real.tls,
    ...user,
    ...options,
  });
  cleanUps.push(() => source.close());
  const follower = new Follower();
  follower.listen(await source.start(follower.listen));
  return { source, follower };
}

const serves = (id: string, endpoint: string | undefined) => (snapshot: Parameters<typeof serving>[0]) =>
  serving(snapshot)[id] === endpoint;

describe.skipIf(!hasRealEtcd())('createEtcdSource over a real etcd', () => {
  it('follows exactly the touched model: m1 beside m10, ids alike, bad and empty values, unknown keys, a deleted prefix', async () => {
    const real = etcd();
    for (const id of ['m1', 'm10', 'm1-b', 'a-bc', 'ab-c', 'A-BC']) await real.put(model(id), sampleModel(id));
    const { source, follower } = await follow(real);
    const all = { 'A-BC': 'A-BC', 'a-bc': 'a-bc', 'ab-c': 'ab-c', m1: 'm1', 'm1-b': 'm1-b', m10: 'm10' };
    expect(serving(follower.current as never)).toEqual(all);
    expect(source.state).toBe('live');

    await real.delete(model('m1'));
    await follower.until(serves('m1', undefined), 1000);
    const { m1: _, ...rest } = all;
    expect(serving(follower.current as never)).toEqual(rest);

    await real.put(model('ab-c'), '{"dag_execution_config": {');
    await real.put(model('a-bc'), sampleModel('second'));
    const bad = await follower.until(
      (snapshot) => snapshot.models.get('ab-c')?.state === 'rejected' && serves('a-bc', 'second')(snapshot),
      1000,
    );
    expect(serving(bad)).toEqual({ ...rest, 'a-bc': 'second' });
    const before = bad.models.get('m10');

    await real.put(`${base}/config-map-old/m1`, sampleModel('x'));
    await real.put(`${base}/config-map/m10/whatever`, '{}');
    await real.put(`${base}-2/config-map/m1`, sampleModel('x'));
    await real.put(`${base}/service-config/predator-hosts`, 'a,b');
    await real.put(model('m1-b'), '');
    await follower.until((snapshot) => snapshot.models.get('m1-b')?.state === 'rejected', 1000);
    expect(serves('m1-b', 'm1-b')(follower.current as never), 'an empty key deletes nothing').toBe(true);
    expect(follower.current?.models.get('m10')).toBe(before);
    expect(follower.current?.models.size).toBe(5);

    await real.client.delete().prefix(`${base}/config-map/`);
    await follower.until((snapshot) => snapshot.models.size === 0, 1000);
    expect(source.status).toMatchObject({ state: 'live', reason: '' });
  });

  it('gets what changed while etcd was killed, soon after it is back, and nothing goes away meanwhile', async () => {
    const real = etcd();
    await real.put(model('a'), sampleModel('one'));
    await real.put(model('gone'), sampleModel('one'));
    const { source, follower } = await follow(real);
    real.do('kill', '0');
    await expect.poll(() => source.state, { timeout: 5000 }).toBe('stale');
    expect(source.status.kind).toBe('unreachable');
    expect(source.status.reason).toContain('ECONNREFUSED');
    expect(Object.keys(serving(follower.current as never))).toEqual(['a', 'gone']);
    real.do('restart', '0');
    await real.put(model('a'), sampleModel('two'));
    await real.delete(model('gone'));
    await follower.until((snapshot) => serves('a', 'two')(snapshot) && !snapshot.models.has('gone'), 5000);
    await expect.poll(() => source.state, { timeout: 2000 }).toBe('live');
  });

  it('keeps serving when etcd comes back without its data, takes what is new there, and lets go only when told', async () => {
    const real = etcd();
    for (const id of ['a', 'b', 'c']) await real.put(model(id), sampleModel('one'));
    for (let index = 0; index < 5; index++) await real.put('/elsewhere', `${index}`);
    const { source, follower } = await follow(real);
    real.do('wipe', '0');
    await expect.poll(() => source.status.kind, { timeout: 5000 }).toBe('data-loss');
    expect(source.state).toBe('stale');
    await real.put(model('a'), sampleModel('two'));
    await follower.until(serves('a', 'two'), 5000);
    expect(serving(follower.current as never)).toEqual({ a: 'two', b: 'one', c: 'one' });
    expect(source.retained).toEqual(['b', 'c']);
    await real.put(model('b'), sampleModel('three'));
    await follower.until(serves('b', 'three'));
    await real.delete(model('b'));
    await follower.until(serves('b', undefined));
    expect(source.status.reason).toContain('1 model that it lacks goes on serving');
    source.adopt();
    await follower.until(serves('c', undefined));
    expect(source.status).toMatchObject({ state: 'live', kind: '' });
    expect(serving(follower.current as never)).toEqual({ a: 'two' });
  });

  it('starts from the stored snapshot when etcd is down, and from nothing without one, and goes on trying', async () => {
    const real = etcd();
    const state = mkdtempSync(join(tmpdir(), 'inferflow-state-'));
    cleanUps.push(() => rmSync(state, { recursive: true, force: true }));
    const store = () => createSnapshotStore({ directory: state, minIntervalMs: 1 });
    await real.put(model('a'), sampleModel('one'));
    await real.put(model('bad'), sampleModel('good'));
    const first = await follow(real, { store: store() });
    await real.put(model('bad'), '{');
    await first.follower.until((snapshot) => snapshot.models.get('bad')?.state === 'rejected');
    await first.source.close();
    real.do('kill', '0');

    const empty = await follow(real, { waitForFirst: false });
    expect(empty.follower.current?.models.size).toBe(0);
    expect(empty.follower.current?.serviceProblems[0]?.message).toContain('ECONNREFUSED');
    expect(empty.source.state).toBe('starting');
    const started = performance.now();
    const second = await follow(real, { store: store() });
    expect(performance.now() - started).toBeLessThan(2500);
    expect(serving(second.follower.current as never)).toEqual({ a: 'one', bad: 'good' });
    expect(second.source.status).toMatchObject({ state: 'stale', kind: 'unreachable' });

    real.do('restart', '0');
    await expect.poll(() => second.source.state, { timeout: 5000 }).toBe('live');
    expect(serving(second.follower.current as never)).toEqual({ a: 'one', bad: 'good' });
    expect(second.follower.current?.models.get('bad')?.state).toBe('rejected');
    await empty.follower.until(serves('a', 'one'), 5000);
  });

  it('logs in, survives expired and forgotten tokens, and says when the password is wrong or the permission gone', async () => {
    const real = etcd('--auth', '--token-ttl', '1');
    await real.put(model('a'), sampleModel('one'));
    const { source, follower } = await follow(real);
    expect(serving(follower.current as never)).toEqual({ a: 'one' });
    await sleep(2500);
    await real.put(model('a'), sampleModel('two'));
    await follower.until(serves('a', 'two'), 5000);
    real.do('restart', '0');
    real.api('kv/put', { key: Buffer.from(model('a')).toString('base64'), value: Buffer.from(sampleModel('three')).toString('base64') });
    await follower.until(serves('a', 'three'), 5000);

    real.api('auth/user/changepw', { name: 'reader', password: 'other' });
    const late = await follow(real, { waitForFirst: false });
    expect(late.source.status).toMatchObject({ state: 'starting', kind: 'unauthenticated' });
    expect(late.source.status.reason).not.toContain('reader');
    real.api('auth/user/changepw', { name: 'reader', password: 'reader' });
    await late.follower.until(serves('a', 'three'), 5000);

    real.api('auth/user/revoke', { name: 'reader', role: 'reader' });
    await expect.poll(() => source.status.kind, { timeout: 10_000 }).toBe('forbidden');
    expect(serving(follower.current as never)).toEqual({ a: 'three' });
    real.api('auth/user/grant', { user: 'reader', role: 'reader' });
    await expect.poll(() => source.state, { timeout: 5000 }).toBe('live');
  });

  it('goes on without a login where the cluster has no users', async () => {
    const real = etcd();
    await real.put(model('a'), sampleModel('one'));
    const { follower } = await follow(real, { username: 'somebody', password: 'secret' });
    expect(serving(follower.current as never)).toEqual({ a: 'one' });
  });

  it('uses TLS with client certificates, and names the certificate that is refused', async () => {
    const real = etcd('--tls', '--auth');
    await real.put(model('a'), sampleModel('one'));
    const { follower } = await follow(real);
    expect(serving(follower.current as never)).toEqual({ a: 'one' });
    const stranger = await follow(real, { tls: { cert: real.tls?.cert ?? '', key: real.tls?.key ?? '' } });
    expect(stranger.source.status).toMatchObject({ state: 'starting', kind: 'tls' });
  });

  it('follows a cluster through the loss of its leader, a member that hangs, and the loss of its majority', async () => {
    const real = etcd('--members', '3');
    await real.put(model('a'), sampleModel('0'));
    const { source, follower } = await follow(real);
    const change = async (endpoint: string) => {
      // A write may meet the member that is gone, or an election.
      await expect
        .poll(
          () =>
            real.put(model('a'), sampleModel(endpoint)).then(
              () => true,
              () => false,
            ),
          { timeout: 10_000 },
        )
        .toBe(true);
      await follower.until(serves('a', endpoint), 10_000);
    };
    const leader = real.do('leader');
    real.do('kill', leader);
    await change('1');
    real.do('restart', leader);
    for (const member of ['0', '1', '2']) {
      real.do('pause', member);
      await change(`2-${member}`);
      real.do('resume', member);
    }
    real.do('kill', '0');
    real.do('kill', '1');
    await expect.poll(() => source.state, { timeout: 10_000 }).toBe('stale');
    expect(serving(follower.current as never)).toEqual({ a: '2-2' });
    real.do('restart', '0');
    await change('3');
    await expect.poll(() => source.state, { timeout: 5000 }).toBe('live');
  });

  it('reads once when changes are not to be followed', async () => {
    const real = etcd();
    await real.put(model('a'), sampleModel('one'));
    const { source, follower } = await follow(real, { watch: false });
    await real.put(model('a'), sampleModel('two'));
    await sleep(300);
    expect(serving(follower.current as never)).toEqual({ a: 'one' });
    expect(source.status).toMatchObject({ state: 'live', reason: 'changes are not followed' });
  });
});
