import { SnapshotBuilder } from '@inferflow/config';
import { describe, expect, it } from 'vitest';
import { ConfigMirror } from './config-mirror.js';
import { KeyLayout } from './key-layout.js';
import { type Publication, SnapshotPublisher } from './snapshot-publisher.js';
import { serving } from './testing/follower.js';
import { sampleModel } from './testing/sample-model.js';

function setUp(accept: () => void = () => undefined) {
  const publications: Publication[] = [];
  const mirror = new ConfigMirror();
  const builder = new SnapshotBuilder({
    accept: () => {
      accept();
      return [];
    },
  });
  const failures: unknown[] = [];
  const publisher = new SnapshotPublisher({
    builder,
    mirror,
    layout: new KeyLayout('/b'),
    deliver(publication) {
      if (publication.documents.has('unwanted')) throw new Error('no');
      publications.push(publication);
    },
    failed: (error) => failures.push(error),
  });
  let revision = 1;
  const put = (id: string, text: string) => mirror.apply([{ key: `/b/config-map/${id}`, text, modRevision: ++revision }], revision);
  const remove = (id: string) => mirror.apply([{ key: `/b/config-map/${id}`, text: null, modRevision: ++revision }], revision);
  mirror.resync({ clusterId: '1', revision: 1, entries: [] });
  return { publications, failures, mirror, publisher, put, remove };
}

/** Keeps the processor busy for a time. */
function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('SnapshotPublisher', () => {
  it('lets others have their turn while it reads thousands of models', async () => {
    const { publisher, put, publications } = setUp(() => work(2));
    for (let index = 0; index < 300; index++) put(`m${index}`, sampleModel(`${index}`));
    publisher.serving();
    publisher.changed();
    let turns = 0;
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      turns++;
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await publisher.settled();
    clearInterval(timer);
    // 600 ms of work in slices of 8 ms; a busy machine makes single ones longer.
    expect(turns).toBeGreaterThan(30);
    expect(longest).toBeLessThan(300);
    // Nobody waits for all of them: what is read goes live.
    expect(publications.length).toBeGreaterThan(1);
    expect(Object.keys(serving(publications.at(-1)?.snapshot as never))).toHaveLength(300);
  });

  it('does not let a single push wait for models that change all the time', async () => {
    const { publisher, put, publications } = setUp(() => work(3));
    publisher.serving();
    const isLive = () => publications.some(({ snapshot }) => snapshot.models.get('calm')?.state === 'live');
    for (let round = 0; !isLive() && round < 200; round++) {
      for (let index = 0; index < 200; index++) put(`m${index}`, sampleModel(`${index}-${round}`));
      if (round === 2) put('calm', sampleModel('calm'));
      publisher.changed();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const first = publications.findIndex(({ snapshot }) => snapshot.models.has('calm'));
    const unread = [...(publications[first]?.snapshot.models.keys() ?? [])].length;
    expect(isLive()).toBe(true);
    expect(unread, 'others are still waiting').toBeLessThan(200);
    await publisher.close();
  });

  it('reads all models before the first publication, and lets none starve later', async () => {
    const { publisher, put, publications } = setUp(() => work(3));
    const ids = Array.from({ length: 150 }, (_, index) => `m${index}`);
    for (const id of ids) put(id, sampleModel('first'));
    publisher.changed();
    await publisher.settled();
    expect(publications).toHaveLength(1);
    publisher.serving();
    for (const id of ids) put(id, sampleModel('second'));
    publisher.changed();
    // The first ones change again and again: the last ones have their turn all the same.
    const timer = setInterval(() => {
      for (const id of ids.slice(0, 20)) put(id, sampleModel(`again ${Math.random()}`));
      publisher.changed();
    }, 20);
    const lastOne = () => serving(publications.at(-1)?.snapshot as never).m149;
    await expect.poll(lastOne, { timeout: 10_000 }).toBe('second');
    clearInterval(timer);
    await publisher.settled();
    expect(Object.keys(serving(publications.at(-1)?.snapshot as never))).toHaveLength(150);
  });

  it('resolves what waits for a change although changes never end', async () => {
    const { publisher, put } = setUp();
    let count = 0;
    const timer = setInterval(() => {
      put('a', sampleModel(`${++count}`));
      publisher.changed();
    }, 1);
    publisher.changed();
    await publisher.settled();
    clearInterval(timer);
    await publisher.close();
  });

  it('forgets the last good version of a model that was deleted between two looks', async () => {
    const { publisher, put, remove, publications } = setUp();
    put('a', sampleModel('one'));
    put('b', sampleModel('one'));
    publisher.changed();
    await publisher.settled();
    remove('a');
    put('a', '{');
    remove('b');
    put('b', sampleModel('two'));
    publisher.changed();
    await publisher.settled();
    expect(publications, 'nobody saw the model gone').toHaveLength(2);
    expect(publications[1]?.snapshot.models.get('a')?.state).toBe('rejected');
    expect(serving(publications[1]?.snapshot as never)).toEqual({ b: 'two' });
  });

  it('takes an empty key for a bad version, never for a deletion', async () => {
    const { publisher, put, remove, publications } = setUp();
    put('a', sampleModel('one'));
    put('never', '');
    publisher.changed();
    await publisher.settled();
    put('a', ' \n');
    publisher.changed();
    await publisher.settled();
    const models = publications.at(-1)?.snapshot.models;
    expect(models?.get('a')).toMatchObject({ state: 'rejected', problems: [{ message: expect.stringContaining('empty') }] });
    expect(models?.has('never')).toBe(false);
    put('a', '{');
    publisher.changed();
    await publisher.settled();
    expect(serving(publications.at(-1)?.snapshot as never)).toEqual({ a: 'one' });
    put('a', '');
    remove('a');
    publisher.changed();
    await publisher.settled();
    expect(publications.at(-1)?.snapshot.models.size).toBe(0);
  });

  it('goes on after a publication that failed', async () => {
    const { publisher, put, remove, publications, failures } = setUp();
    put('unwanted', sampleModel('one'));
    publisher.changed();
    await publisher.settled();
    expect(failures).toHaveLength(1);
    remove('unwanted');
    put('a', sampleModel('one'));
    publisher.changed();
    await publisher.settled();
    expect(serving(publications[0]?.snapshot as never)).toEqual({ a: 'one' });
  });

  it('publishes nothing after it is closed', async () => {
    const { publisher, put, publications } = setUp();
    put('a', sampleModel('one'));
    publisher.changed();
    await publisher.close();
    publisher.changed();
    await publisher.settled();
    expect(publications).toHaveLength(0);
  });
});
