import { describe, expect, it } from 'vitest';
import { ConfigMirror } from './config-mirror.js';
import type { EtcdRange } from './etcd-connection.js';

function range(
  revision: number,
  keys: Record<string, readonly [text: string, modRevision: number, createRevision?: number]>,
  clusterId = '1',
): EtcdRange {
  return {
    clusterId,
    revision,
    entries: Object.entries(keys).map(([key, [text, modRevision, createRevision = 1]]) => ({ key, text, modRevision, createRevision })),
  };
}
const texts = (mirror: ConfigMirror) => Object.fromEntries([...mirror.entries].map(({ key, text }) => [key, text]));

describe('ConfigMirror', () => {
  it('deletes exactly the key of an event', () => {
    const mirror = new ConfigMirror();
    mirror.resync(range(5, { m1: ['a', 2], m10: ['b', 3], 'm1-b': ['c', 4] }));
    expect(mirror.apply([{ key: 'm1', text: null, modRevision: 6 }], 6)).toBe(true);
    expect(texts(mirror)).toEqual({ m10: 'b', 'm1-b': 'c' });
    expect(mirror.header).toEqual({ clusterId: '1', revision: 6 });
  });

  it('takes no notice of events that the read already had, and of those without effect', () => {
    const mirror = new ConfigMirror();
    mirror.resync(range(5, { a: ['new', 5] }));
    expect(
      mirror.apply(
        [
          { key: 'a', text: 'old', modRevision: 4 },
          { key: 'b', text: 'old', modRevision: 3 },
        ],
        5,
      ),
    ).toBe(false);
    expect(
      mirror.apply(
        [
          { key: 'a', text: 'new', modRevision: 5 },
          { key: 'b', text: null, modRevision: 7 },
        ],
        7,
      ),
    ).toBe(false);
    expect(texts(mirror)).toEqual({ a: 'new' });
    expect(mirror.header?.revision).toBe(7);
  });

  it('knows which keys were gone for a moment, seen or unseen', () => {
    const mirror = new ConfigMirror();
    mirror.resync(range(5, { a: ['x', 2], b: ['y', 3], c: ['z', 4], d: ['d', 5] }));
    expect(mirror.takeRevived()).toEqual(new Set());
    mirror.apply(
      [
        { key: 'a', text: null, modRevision: 6 },
        { key: 'b', text: '', modRevision: 7 },
        { key: 'c', text: null, modRevision: 8 },
      ],
      8,
    );
    mirror.apply(
      [
        { key: 'a', text: 'new', modRevision: 9 },
        { key: 'b', text: 'new', modRevision: 10 },
      ],
      10,
    );
    expect(mirror.takeRevived(), 'an empty key is not a deleted one').toEqual(new Set(['a']));
    mirror.resync(range(20, { a: ['new', 12, 12], b: ['newer', 13, 3], c: ['z', 14, 14], d: ['d', 5] }));
    expect(mirror.takeRevived()).toEqual(new Set(['a']));
    mirror.resync(range(3, { a: ['new', 3, 3] }));
    expect(mirror.takeRevived(), 'a loss of data deletes nothing').toEqual(new Set());
  });

  it('gives the same entry until its key is written again', () => {
    const mirror = new ConfigMirror();
    mirror.resync(range(5, { a: ['x', 2], b: ['x', 3] }));
    const [first] = mirror.entries;
    mirror.resync(range(9, { a: ['x', 2], b: ['y', 9] }));
    expect([...mirror.entries][0]).toBe(first);
    mirror.apply([{ key: 'a', text: 'x', modRevision: 10 }], 10);
    expect([...mirror.entries].find(({ key }) => key === 'a')).toEqual({ key: 'a', text: 'x', revision: 10 });
  });

  it.each([
    ['another cluster', range(9, { a: ['x', 2] }, '2'), 'the cluster id changed from 1 to 2'],
    ['a lower revision', range(4, { a: ['x', 2] }), 'the store’s revision went back from 5 to 4'],
    ['a key of our time that we do not know', range(9, { a: ['x', 2], c: ['z', 4] }), 'c was last written at revision 4'],
    ['a key of our time that we know from another revision', range(9, { a: ['x', 3] }), 'a was last written at revision 3'],
  ])('takes %s for a loss of data', (_what, read, reason) => {
    const mirror = new ConfigMirror();
    mirror.resync(range(5, { a: ['x', 2], b: ['y', 5] }));
    const restarted = new ConfigMirror();
    restarted.restore(JSON.parse(JSON.stringify(mirror.position)));
    expect(mirror.resync(read)).toContain(reason);
    expect(restarted.resync(read)).toContain(reason);
    expect(texts(restarted)).toEqual(texts(mirror));
    expect(mirror.resync(read), 'from then on it is the store').toBeNull();
  });

  it.each([
    ['nothing new', range(5, { a: ['x', 2], b: ['y', 5] })],
    ['missing keys', range(5, {})],
    ['changed, recreated and new keys', range(9, { a: ['z', 7], b: ['y', 5], c: ['c', 9] })],
  ])('takes a read with %s for the same store', (_what, read) => {
    const mirror = new ConfigMirror();
    mirror.resync(range(3, { a: ['x', 2] }));
    mirror.apply([{ key: 'b', text: 'y', modRevision: 5 }], 5);
    expect(mirror.resync(read)).toBeNull();
    expect(Object.keys(texts(mirror))).toEqual(read.entries.map(({ key }) => key));
  });
});
