import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, type ConfigSnapshot, createSnapshotStore } from '@inferflow/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EtcdSourceError } from './errors.js';
import { createEtcdSource, createEtcdSourceOver, type EtcdSource } from './etcd-source.js';
import type { EtcdSourceOptions } from './etcd-source-options.js';
import { configBase } from './key-layout.js';
import type { SourceStatus } from './source-status.js';
import { FakeEtcd } from './testing/fake-etcd.js';
import { Follower, serving } from './testing/follower.js';
import { sampleModel } from './testing/sample-model.js';

const base = configBase('shop');
const model = (id: string) => `${base}/config-map/${id}`;
const timing = { firstBackOffMs: 5, longestBackOffMs: 20, goodConnectionMs: 5000, silenceMs: 40 };
let etcd: FakeEtcd;
const cleanUps: (() => unknown)[] = [];

beforeEach(() => {
  etcd = new FakeEtcd();
});

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function follow(options: Partial<EtcdSourceOptions> = {}) {
  const notices: string[] = [];
  const states: SourceStatus[] = [];
  const source = createEtcdSourceOver(
    etcd.connect,
    {
      endpoints: ['a:1', 'b:1'],
      appName: 'shop',
      callTimeoutMs: 300,
      checkIntervalMs: 15,
      onNotice: (notice) => notices.push(notice),
      ...options,
    },
    timing,
  );
  cleanUps.push(() => source.close());
  source.onState((status) => states.push(status));
  const follower = new Follower();
  follower.listen(await source.start(follower.listen));
  return { source, follower, notices, states };
}

function stateDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-state-'));
  cleanUps.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const served = ({ follower }: { follower: Follower }) => serving(follower.current as ConfigSnapshot);
const stateOf = (source: EtcdSource) => expect.poll(() => source.state, { interval: 5, timeout: 4000 });

describe('createEtcdSource', () => {
  it('has the first read in its first snapshot, and is live', async () => {
    etcd.put(model('a'), sampleModel('one'));
    etcd.put(`${base}/service-config`, '{"v2-logging-type":"proto"}');
    const { source, follower } = await follow();
    expect(serving(follower.current as ConfigSnapshot)).toEqual({ a: 'one' });
    expect(follower.current?.service.loggingType).toBe('proto');
    expect(source.status).toMatchObject({ state: 'live', reason: '', kind: '' });
  });

  it('is live when its store has no keys', async () => {
    const { source, follower } = await follow();
    expect(source.state).toBe('live');
    etcd.put(model('a'), sampleModel('one'));
    await follower.until((snapshot) => snapshot.models.has('a'), 1000);
  });

  it('publishes a storm of changes in few snapshots, the last one right', async () => {
    const all = await follow();
    for (let index = 0; index < 2000; index++) {
      etcd.put(model(`m${index % 20}`), sampleModel(`${index}`));
      if (index % 100 === 0) await sleep(1);
    }
    await all.follower.until((snapshot) => serving(snapshot).m19 === '1999');
    expect(all.follower.snapshots.length).toBeLessThan(60);
    expect(Object.values(served(all)).map(Number)).toEqual(expect.arrayContaining(Array.from({ length: 20 }, (_, index) => 1980 + index)));
  });

  it('keeps the last good version of every model when the one key of all models cannot be read', async () => {
    etcd.put(`${base}/config-map`, `{"a":${sampleModel('one')},"b":${sampleModel('two')}}`);
    const all = await follow();
    etcd.put(`${base}/config-map`, '{');
    const bad = await all.follower.until((snapshot) => snapshot.models.get('a')?.state === 'rejected');
    expect(serving(bad)).toEqual({ a: 'one', b: 'two' });
    expect(bad.models.get('b')?.problems[0]?.code).toBe('INFERFLOW_CONFIG_SYNTAX');
    etcd.put(`${base}/config-map`, `{"b":${sampleModel('three')}}`);
    await all.follower.until((snapshot) => snapshot.models.size === 1);
    expect(served(all)).toEqual({ b: 'three' });
  });

  it('says why it has no models when the one key of all models cannot be read from the start', async () => {
    etcd.put(`${base}/config-map`, '{"a": [1,\n]}');
    const all = await follow();
    expect(all.follower.current?.models.size).toBe(0);
    etcd.put(`${base}/service-config`, '{}');
    etcd.put(`${base}/config-map`, `{"a":${sampleModel('one')}}`);
    await all.follower.until((snapshot) => serving(snapshot).a === 'one');
    expect(all.notices).toEqual([
      expect.stringContaining(`no model can be read: ${base}/config-map is not valid JSON: line 2, column 1: `),
    ]);
  });

  it('notices a watch that died without a word, and gets what it missed', async () => {
    etcd.put(model('a'), sampleModel('one'));
    const all = await follow();
    etcd.isSilent = true;
    etcd.put(model('a'), sampleModel('two'));
    await all.follower.until((snapshot) => serving(snapshot).a === 'two', 2000);
    expect(etcd.calls.watch).toBeGreaterThan(1);
  });

  it('asks for progress when only other keys change, and reads nothing anew', async () => {
    etcd.put(model('a'), sampleModel('one'));
    await follow();
    for (let index = 0; index < 5; index++) {
      etcd.touchElsewhere();
      await sleep(20);
    }
    await expect.poll(() => etcd.calls.progress).toBeGreaterThan(0);
    expect(etcd.calls).toMatchObject({ range: 1, watch: 1 });
  });

  it('reads anew after compaction, closed streams and lost leaders, without a word when that is quick', async () => {
    etcd.put(model('a'), sampleModel('0'));
    const all = await follow();
    let count = 0;
    for (const kind of ['compacted', 'watch-ended', 'no-leader', 'unauthenticated', 'unreachable'] as const) {
      etcd.compact();
      etcd.endWatches(kind);
      etcd.put(model('a'), sampleModel(`${++count}`));
      await all.follower.until((snapshot) => serving(snapshot).a === `${count}`, 2000);
    }
    expect(all.states.map(({ state }) => state)).toEqual(['live']);
    expect(etcd.openConnections).toBe(1);
  });

  it('is stale after a second without contact, says why, and is live again', async () => {
    etcd.put(model('a'), sampleModel('one'));
    const all = await follow();
    etcd.refusal = 'unauthenticated';
    etcd.endWatches('unauthenticated');
    await stateOf(all.source).toBe('stale');
    expect(all.source.status.kind).toBe('unauthenticated');
    expect(served(all)).toEqual({ a: 'one' });
    etcd.refusal = null;
    await stateOf(all.source).toBe('live');
    expect(all.states.map(({ state }) => state)).toEqual(['live', 'stale', 'live']);
  });

  it('notices a member that hangs', async () => {
    etcd.put(model('a'), sampleModel('one'));
    const all = await follow();
    etcd.isHanging = true;
    await stateOf(all.source).toBe('stale');
    etcd.isHanging = false;
    etcd.put(model('a'), sampleModel('two'));
    await all.follower.until((snapshot) => serving(snapshot).a === 'two', 2000);
    await expect.poll(() => etcd.openConnections).toBe(1);
  });

  it.each([
    ['the same cluster id and a lower revision', '1'],
    ['another cluster id', '2'],
  ])('serves on what a store has lost: %s', async (_what, clusterId) => {
    for (const id of ['a', 'b']) etcd.put(model(id), sampleModel('one'));
    etcd.put(`${base}/service-config`, '{"v2-logging-type":"proto"}');
    const all = await follow();
    etcd.wipe(clusterId);
    await expect.poll(() => all.source.status.kind).toBe('data-loss');
    etcd.put(model('a'), sampleModel('two'));
    await all.follower.until((snapshot) => serving(snapshot).a === 'two');
    expect(served(all)).toEqual({ a: 'two', b: 'one' });
    expect(all.source.retained).toEqual(['b']);
    expect(all.follower.current?.service.loggingType).toBe('proto');
    etcd.put(model('b'), sampleModel('three'));
    await all.follower.until((snapshot) => serving(snapshot).b === 'three');
    expect(all.source.state, 'the settings are still missing').toBe('stale');
    etcd.put(`${base}/service-config`, '{"v2-logging-type":"arrow"}');
    await stateOf(all.source).toBe('live');
    etcd.delete(model('b'));
    await all.follower.until((snapshot) => !snapshot.models.has('b'));
  });

  it('serves on what a store has lost when all models were in one key', async () => {
    etcd.put(`${base}/config-map`, `{"a":${sampleModel('one')},"b":${sampleModel('two')}}`);
    const all = await follow();
    etcd.wipe();
    await expect.poll(() => all.source.retained).toEqual(['a', 'b']);
    etcd.put(`${base}/config-map`, `{"a":${sampleModel('three')}}`);
    await all.follower.until((snapshot) => serving(snapshot).a === 'three');
    expect(served(all)).toEqual({ a: 'three', b: 'two' });
    etcd.put(`${base}/config-map`, `{"a":${sampleModel('four')},"b":${sampleModel('five')}}`);
    await stateOf(all.source).toBe('live');
    etcd.put(`${base}/config-map`, `{"a":${sampleModel('four')}}`);
    await all.follower.until((snapshot) => snapshot.models.size === 1);
  });

  it('finds a loss of data again after a restart, until it is settled', async () => {
    const directory = stateDirectory();
    const withStore = () => follow({ store: createSnapshotStore({ directory, minIntervalMs: 1 }) });
    for (const id of ['a', 'b']) etcd.put(model(id), sampleModel('one'));
    const first = await withStore();
    await first.source.close();
    etcd.wipe();
    etcd.put(model('a'), sampleModel('two'));
    for (let turn = 0; turn < 2; turn++) {
      const again = await withStore();
      expect(served(again)).toEqual({ a: 'two', b: 'one' });
      expect(again.source.status.kind).toBe('data-loss');
      await again.source.close();
    }
    const last = await withStore();
    last.source.adopt();
    await last.follower.until((snapshot) => !snapshot.models.has('b'));
    await last.source.close();
    const settled = await withStore();
    expect(served(settled)).toEqual({ a: 'two' });
    expect(settled.source.state).toBe('live');
  });

  it('lets a model go that was deleted while nobody ran', async () => {
    const directory = stateDirectory();
    const withStore = () => follow({ store: createSnapshotStore({ directory, minIntervalMs: 1 }) });
    for (const id of ['a', 'b']) etcd.put(model(id), sampleModel('one'));
    await (await withStore()).source.close();
    etcd.delete(model('b'));
    const again = await withStore();
    expect(served(again)).toEqual({ a: 'one' });
    expect(again.source.state).toBe('live');
  });

  it('refuses a stored snapshot that was tampered with, and says so', async () => {
    const directory = stateDirectory();
    const withStore = () => follow({ waitForFirst: false, store: createSnapshotStore({ directory, minIntervalMs: 1 }) });
    etcd.put(model('a'), sampleModel('one'));
    await (await withStore()).source.close();
    const file = join(directory, readdirSync(directory)[0] ?? '');
    writeFileSync(file, readFileSync(file, 'utf8').replace('one', 'two'));
    etcd.refusal = 'unreachable';
    const again = await withStore();
    expect(again.follower.current?.models.size).toBe(0);
    expect(again.notices[0]).toContain('refused');
    expect(again.source.state).toBe('starting');
  });

  it('serves on when its snapshots cannot be stored', async () => {
    const file = join(stateDirectory(), 'file');
    writeFileSync(file, '');
    const problems: (string | null)[] = [];
    const store = createSnapshotStore({ directory: file, minIntervalMs: 1, onProblem: (problem) => problems.push(problem) });
    etcd.put(model('a'), sampleModel('one'));
    const all = await follow({ store });
    expect(all.source.state).toBe('live');
    etcd.put(model('a'), sampleModel('two'));
    await all.follower.until((snapshot) => serving(snapshot).a === 'two');
    await expect.poll(() => problems.length).toBe(1);
  });

  it('rejects when told to wait for the first read and there is none', async () => {
    etcd.refusal = 'unreachable';
    const source = createEtcdSourceOver(etcd.connect, { endpoints: ['a'], appName: 'shop', callTimeoutMs: 60 }, timing);
    const failure = await source.start(() => undefined).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(failure).toMatchObject({ code: 'INFERFLOW_CONFIG_SOURCE_UNAVAILABLE', message: 'fake: unreachable' });
    expect(etcd.openConnections).toBe(0);
  });

  it('starts empty when told not to wait, and publishes what it reads later', async () => {
    etcd.refusal = 'unreachable';
    etcd.put(model('a'), sampleModel('one'));
    const all = await follow({ waitForFirst: false });
    expect(all.follower.current?.models.size).toBe(0);
    expect(all.follower.current?.serviceProblems[0]?.message).toContain('fake: unreachable');
    expect(all.source.status).toMatchObject({ state: 'starting', kind: 'unreachable' });
    etcd.refusal = null;
    const later = await all.follower.until((snapshot) => serving(snapshot).a === 'one');
    expect(later.serviceProblems).toEqual([]);
    await stateOf(all.source).toBe('live');
  });

  it('delivers nothing after it is closed, and leaves no connection behind', async () => {
    const all = await follow();
    etcd.put(model('a'), sampleModel('one'));
    await all.source.close();
    const count = all.follower.snapshots.length;
    etcd.put(model('a'), sampleModel('two'));
    await sleep(50);
    expect(all.follower.snapshots).toHaveLength(count);
    expect(etcd.openConnections).toBe(0);
    await expect(all.source.start(() => undefined)).rejects.toMatchObject({ code: 'INFERFLOW_CONFIG_SOURCE_STATE' });
  });

  it.each([
    ['at once', 0],
    ['while it reads', 20],
  ])('does not start when it is closed before: %s', async (_when, afterMs) => {
    etcd.isHanging = true;
    const source = createEtcdSourceOver(etcd.connect, { endpoints: ['a'], appName: 'shop' }, timing);
    const began = performance.now();
    const started = source.start(() => undefined).catch((error: unknown) => error);
    if (afterMs > 0) await sleep(afterMs);
    await source.close();
    expect(await started).toMatchObject({ code: 'INFERFLOW_CONFIG_SOURCE_STATE' });
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('goes on when its listener throws', async () => {
    const notices: string[] = [];
    const source = createEtcdSourceOver(
      etcd.connect,
      { endpoints: ['a'], appName: 'shop', onNotice: (notice) => notices.push(notice) },
      timing,
    );
    cleanUps.push(() => source.close());
    let last: ConfigSnapshot | null = null;
    await source.start((snapshot) => {
      last = snapshot;
      throw new Error('not now');
    });
    etcd.put(model('a'), sampleModel('one'));
    await expect.poll(() => last?.models.size).toBe(1);
    etcd.put(model('b'), sampleModel('one'));
    await expect.poll(() => last?.models.size).toBe(2);
    expect(notices).toContain('a configuration could not be taken over: not now');
  });

  it('names keys that mean nothing, once', async () => {
    etcd.put(`${base}/config-map-old/a`, '{}');
    const all = await follow();
    etcd.put(model('a'), sampleModel('one'));
    await all.follower.until((snapshot) => snapshot.models.size === 1);
    expect(all.notices).toEqual([`keys that mean nothing here are ignored: ${base}/config-map-old/a`]);
  });

  it('reads below a namespace', async () => {
    etcd.put(`/team${model('a')}`, sampleModel('one'));
    etcd.put(model('b'), sampleModel('one'));
    expect(served(await follow({ namespace: '/team' }))).toEqual({ a: 'one' });
  });

  it.each<[Partial<EtcdSourceOptions>, string]>([
    [{ endpoints: [] }, 'expected at least one'],
    [{ endpoints: ['ftp://x', 'user@x', 'x:99999'] }, 'found "ftp://x"'],
    [{ endpoints: ['x'] }, 'appName'],
    [{ endpoints: ['x'], appName: 'a', username: 'u' }, 'username and password'],
    [{ endpoints: ['x'], appName: 'a', tls: { cert: 'c' } }, 'tls.cert and tls.key'],
    [{ endpoints: ['x', 'http://y'], appName: 'a', tls: { ca: 'c' } }, 'http://y:2379 is plaintext, but tls is given'],
    [{ endpoints: ['x'], appName: 'a', callTimeoutMs: 0 }, 'callTimeoutMs'],
    [{ endpoints: ['x'], appName: 'a', callTimeoutMs: Number.POSITIVE_INFINITY }, 'callTimeoutMs: expected more than 0 and at most'],
    [{ endpoints: ['x'], appName: 'a', checkIntervalMs: 3e9 }, 'checkIntervalMs: expected more than 0 and at most'],
  ])('refuses options that cannot work: %j', (options, message) => {
    expect(() => createEtcdSource({ endpoints: [], ...options })).toThrow(EtcdSourceError);
    expect(() => createEtcdSource({ endpoints: [], ...options })).toThrow(message);
  });

  it('takes endpoints with and without scheme and port', () => {
    const description = (endpoints: string[], tls?: { ca: string }) =>
      createEtcdSource({ endpoints, appName: 'a', ...(tls && { tls }) }).description;
    expect(description(['etcd', 'http://e:1/', '[::1]:5'])).toContain('http://etcd:2379,http://e:1,http://[::1]:5 /config');
    expect(description(['etcd:1', 'https://e'], { ca: 'x' })).toContain('https://etcd:1,https://e:2379');
  });
});
