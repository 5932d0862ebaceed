import { describe, expect, it } from 'vitest';
import { lookUp, Resolver, type ResolverOwner } from './resolver.js';
import type { LookupAll } from './upstream-options.js';

/** Looks up again and again, and hands out what was found. */
class Bench implements ResolverOwner {
  listed: readonly string[] = [];
  readonly #resolver = new Resolver('store.test', 1, (_host, callback) => callback(null, this.listed.map(addressOf)), this);
  #done: (found: ReadonlySet<string>) => void = () => {};

  lookUp(listed: readonly string[]): Promise<ReadonlySet<string>> {
    this.listed = listed;
    return new Promise((resolve) => {
      this.#done = resolve;
      this.#resolver.refresh(Number.POSITIVE_INFINITY);
    });
  }

  resolved(addresses: readonly string[]): void {
    this.#done(new Set(addresses));
  }

  resolveFailed(message: string): void {
    throw new Error(message);
  }
}

const addressOf = (address: string) => ({ address, family: 4 });
const pods = (count: number) => Array.from({ length: count }, (_, i) => `10.0.${i >> 7}.${i & 127}`);
const turned = (list: readonly string[], by: number) => [...list.slice(by), ...list.slice(0, by)];

describe('Resolver', () => {
  it('stays with its addresses while they are listed, in whatever order', async () => {
    const bench = new Bench();
    const all = pods(200);
    const first = await bench.lookUp(all);
    expect(first.size).toBe(64);
    for (const by of [70, 140]) expect(await bench.lookUp(turned(all, by))).toEqual(first);
    const [gone] = first;
    const next = await bench.lookUp(turned(all, 33).filter((ip) => ip !== gone));
    expect(next.size).toBe(64);
    expect([...first].filter((ip) => !next.has(ip))).toEqual([gone]);
    expect(await bench.lookUp(all.slice(0, 3))).toEqual(new Set(all.slice(0, 3)));
    expect([...(await bench.lookUp(all))]).toEqual(expect.arrayContaining(all.slice(0, 3)));
  });

  it('does not choose as every other process does', async () => {
    const chosen = await Promise.all([new Bench(), new Bench()].map((bench) => bench.lookUp(pods(200))));
    expect(chosen[0]).not.toEqual(chosen[1]);
  });
});

describe('lookUp', () => {
  const noList = 'the resolver gave no list of { address } with IP addresses for store.test';

  it.each([
    ['10.0.0.1', noList],
    [['10.0.0.1'], noList],
    [[{ family: 4 }], noList],
    [[addressOf('10.0.0.1'), { address: 'store-1.test' }], noList],
    [[addressOf('10.0.0.1'), { address: 4 }, null], noList],
    [[], 'no address for store.test'],
    [undefined, 'no address for store.test'],
    [
      [addressOf('10.0.0.1'), { address: '::1' }, addressOf('10.0.0.1')],
      ['10.0.0.1', '::1'],
    ],
  ])('takes %j of a resolver for %j', async (found, expected) => {
    const lookup = ((_host, callback: (...given: unknown[]) => void) => callback(null, found, 4)) as LookupAll;
    expect(await new Promise((resolve) => lookUp(lookup, 'store.test', resolve))).toEqual(expected);
  });

  it.each([
    [new Error('no such name'), 'no such name'],
    ['no such name', 'the resolver failed with a value that is no error'],
  ])('tells of an error: %s', async (error, expected) => {
    const lookup = ((_host, callback: (...given: unknown[]) => void) => setImmediate(callback, error)) as LookupAll;
    expect(await new Promise((resolve) => lookUp(lookup, 'store.test', resolve))).toBe(expected);
  });
});
