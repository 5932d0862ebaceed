import { describe, expect, it } from 'vitest';
import { Resolver, type ResolverOwner } from './resolver.js';

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
