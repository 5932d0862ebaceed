import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { CallFailure } from './failure.js';
import { Inflation, inflateAnswer } from './inflate-message.js';
import { until } from './testing/probe-call.js';
import { gunzips } from './testing/watch-gunzips.js';

vi.mock('node:zlib', async (original) =>
  (await import('./testing/watch-gunzips.js')).watchedZlib(await original<typeof import('node:zlib')>()),
);

const bomb = gzipSync(Buffer.alloc(2_000_000), { level: 9 });
type Result = Uint8Array | CallFailure;

beforeEach(() => gunzips.reset());

const inflate = (message: Uint8Array, maxBytes: number, what: 'answer' | 'request' = 'answer') =>
  new Promise<Result>((resolve) => new Inflation(what, message, maxBytes, { grown: () => true, inflated: resolve }).start());

const lengthOf = (result: Result) => (result instanceof Uint8Array ? result.length : result.message);

describe('Inflation', () => {
  it('inflates few at a time, and all of them', async () => {
    const results = await Promise.all(Array.from({ length: 40 }, () => inflate(bomb, 2_000_000)));
    expect(results.map(lengthOf)).toEqual(results.map(() => 2_000_000));
    expect([gunzips.made, gunzips.most, gunzips.live]).toEqual([40, 4, 0]);
  });

  it('keeps the order, and does not let answers wait for requests', async () => {
    const ends: string[] = [];
    const requests = Array.from({ length: 40 }, (_, i) => inflate(bomb, 2_000_000, 'request').then(() => ends.push(`request ${i}`)));
    const answer = inflate(gzipSync('small'), 100).then(() => ends.push('answer'));
    await Promise.all([...requests, answer]);
    expect(ends.indexOf('answer')).toBeLessThan(20);
    // No more than those that run at a time change places.
    const order = ends.filter((end) => end !== 'answer').map((end) => Number(end.split(' ')[1]));
    expect(order.every((number, place) => Math.abs(number - place) < 8)).toBe(true);
  });

  it.each([
    ['a number', 1_000_000],
    ['more than a buffer can have', 2 ** 53],
    ['no limit', Number.POSITIVE_INFINITY],
  ])('takes as its limit %s', async (_, maxBytes) => {
    const result = await inflate(gzipSync('hello'), maxBytes);
    expect(Buffer.from(result as Uint8Array).toString()).toBe('hello');
    expect(Buffer.isBuffer(result)).toBe(false);
  });

  it.each([
    ['too long', bomb, 1_999_999, 8, 'the request is longer than the limit of 1999999 bytes when decompressed'],
    ['longer than nothing', gzipSync('a'), 0, 8, 'the request is longer than the limit of 0 bytes when decompressed'],
    ['no gzip', Buffer.from('no gzip'), 100, 13, 'the request is not valid gzip'],
    ['cut off', bomb.subarray(0, -9), 3_000_000, 13, 'the request is not valid gzip'],
    ['empty', Buffer.alloc(0), Number.POSITIVE_INFINITY, 13, 'the request is not valid gzip'],
  ])('says what is wrong with a message that is %s', async (_, message, maxBytes, code, text) => {
    expect(await inflate(message, maxBytes, 'request')).toEqual({ reason: 'malformed', code, message: text });
    expect(gunzips.live).toBe(0);
  });

  it('takes an empty message that is gzip', async () => {
    expect(await inflate(gzipSync(''), 0)).toEqual(new Uint8Array(0));
  });

  it('fails later when zlib cannot be started, and goes on', async () => {
    gunzips.failNext = 6;
    let isInside = true;
    const results: Promise<Result>[] = [];
    for (let i = 0; i < 6; i++)
      results.push(
        new Promise((resolve) =>
          new Inflation('answer', bomb, 10, {
            grown: () => true,
            inflated: (result) => {
              expect(isInside).toBe(false);
              resolve(result);
            },
          }).start(),
        ),
      );
    isInside = false;
    for (const result of await Promise.all(results)) expect(lengthOf(result)).toBe('the answer is not valid gzip');
    expect(lengthOf(await inflate(gzipSync('later'), 10))).toBe(5);
  });
});

describe('an Inflation that is watched', () => {
  /** What one was told. */
  function probe(mayGrow: (bytes: number) => boolean = () => true) {
    const told = { bytes: 0, asked: 0, result: null as Result | null };
    const inflation = new Inflation('request', bomb, 2_000_000, {
      grown: (byteLength) => {
        told.asked++;
        told.bytes += byteLength;
        return mayGrow(told.bytes);
      },
      inflated: (result) => {
        told.result = result;
      },
    });
    inflation.start();
    return { inflation, told };
  }

  it('asks before it begins, and counts every byte while it grows', async () => {
    const { told } = probe();
    expect(told).toEqual({ bytes: 0, asked: 1, result: null });
    await until(() => told.result !== null, 'result');
    expect(told.bytes).toBe(2_000_000);
    expect(told.asked).toBeGreaterThan(100);
  });

  it('stops where it may not grow, and makes room for the next', async () => {
    const stopped = Array.from({ length: 8 }, () => probe((bytes) => bytes < 100_000));
    const never = Array.from({ length: 8 }, () => probe(() => false));
    const last = probe();
    await until(() => last.told.result !== null, 'the last one');
    expect(stopped.every(({ told }) => told.result === null && told.bytes >= 100_000 && told.bytes < 200_000)).toBe(true);
    expect(never.map(({ told }) => told)).toEqual(never.map(() => ({ bytes: 0, asked: 1, result: null })));
    expect([gunzips.made, gunzips.live]).toEqual([9, 0]);
  });

  it('is skipped when it is cancelled while it waits, and stopped while it runs', async () => {
    const probes = Array.from({ length: 12 }, () => probe());
    expect(gunzips.live).toBe(4);
    // Those that wait first, so that none takes the place of one that ran.
    for (const { inflation } of probes.toReversed()) inflation.scopeEnded();
    expect(gunzips.live).toBe(0);
    const last = probe();
    await until(() => last.told.result !== null, 'the last one');
    expect(probes.every(({ told }) => told.result === null && told.bytes === 0)).toBe(true);
    expect(gunzips.made).toBe(5);
  });
});

describe('inflateAnswer', () => {
  it('does not begin for nobody, and stops when nobody wants it any more', async () => {
    const wanted = Array.from({ length: 12 }, () => true);
    const results: (Result | null)[] = [];
    for (const [i] of wanted.entries())
      inflateAnswer(
        bomb,
        2_000_000,
        () => wanted[i] === true,
        (result) => {
          results[i] = result;
        },
      );
    expect([results.length, gunzips.live]).toEqual([0, 4]);
    wanted.fill(false, 2, 11);
    await until(() => results.filter((result) => result !== undefined).length === 12, 'all of them');
    expect(results.map((result) => result && lengthOf(result))).toEqual([2_000_000, 2_000_000, ...Array(9).fill(null), 2_000_000]);
    expect([gunzips.made, gunzips.live]).toEqual([5, 0]);
  });
});
