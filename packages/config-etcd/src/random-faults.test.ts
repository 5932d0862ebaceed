import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigSnapshot } from '@inferflow/config';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEtcdSourceOver } from './etcd-source.js';
import { configBase } from './key-layout.js';
import { FakeEtcd } from './testing/fake-etcd.js';
import { Follower, serving } from './testing/follower.js';
import { sampleModel } from './testing/sample-model.js';

const base = configBase('shop');
const ids = ['m1', 'm10', 'm-1', 'M1', 'x'];
const timing = { firstBackOffMs: 2, longestBackOffMs: 10, goodConnectionMs: 5000, silenceMs: 25 };

type Step =
  | { readonly kind: 'put' | 'bad' | 'empty' | 'delete'; readonly id: string }
  | {
      readonly kind:
        | 'deleteAll'
        | 'noise'
        | 'compact'
        | 'endWatches'
        | 'down'
        | 'up'
        | 'silent'
        | 'loud'
        | 'hang'
        | 'pause'
        | 'quiet'
        | 'wipe';
    };

/** What must serve, without any thought for how a server learns of it. */
class NaiveModel {
  readonly good = new Map<string, string>();
  /** Ids that serve although the store lost them. */
  readonly lost = new Set<string>();
  /** Changed since the last comparison: while nobody looks, a key that comes and goes cannot be told from one that is still lost. */
  readonly #unseen = new Set<string>();
  readonly #keys = new Map<string, 'good' | 'bad'>();

  put(id: string, endpoint: string): void {
    this.good.set(id, endpoint);
    this.#keys.set(id, 'good');
    this.#touch(id);
  }

  bad(id: string): void {
    this.#keys.set(id, 'bad');
    this.#touch(id);
  }

  mayDelete(id: string): boolean {
    return this.#keys.has(id) && !(this.lost.has(id) && this.#unseen.has(id));
  }

  delete(id: string): void {
    this.#keys.delete(id);
    this.good.delete(id);
    this.lost.delete(id);
  }

  /** A key that was bad from its first moment on, and was never seen good in between, has nothing to serve. */
  wipe(): void {
    this.#keys.clear();
    for (const id of this.good.keys()) this.lost.add(id);
  }

  compared(): void {
    for (const id of this.#unseen) this.lost.delete(id);
    this.#unseen.clear();
  }

  #touch(id: string): void {
    this.#unseen.add(id);
  }
}

async function run(steps: readonly Step[]): Promise<void> {
  const etcd = new FakeEtcd();
  const naive = new NaiveModel();
  const follower = new Follower();
  const source = createEtcdSourceOver(
    etcd.connect,
    { endpoints: ['a', 'b', 'c'], appName: 'shop', checkIntervalMs: 8, callTimeoutMs: 2000 },
    timing,
  );
  follower.listen(await source.start(follower.listen));
  let count = 0;
  let isTouched = false;
  const mend = (): void => {
    etcd.refusal = null;
    etcd.isSilent = false;
    etcd.isHanging = false;
  };
  const compare = async (): Promise<void> => {
    mend();
    const expected = Object.fromEntries([...naive.good].sort(([left], [right]) => (left < right ? -1 : 1)));
    const isRight = (snapshot: ConfigSnapshot) => JSON.stringify(serving(snapshot)) === JSON.stringify(expected);
    await follower.until(isRight, 3000).catch((error: Error) => {
      throw new Error(`${error.message}, expected ${JSON.stringify(expected)}`);
    });
    // Nothing comes after it that changes what serves.
    await sleep(60);
    expect(serving(follower.current as ConfigSnapshot)).toEqual(expected);
    naive.compared();
    isTouched = false;
  };
  try {
    for (const step of steps) {
      const id = 'id' in step ? step.id : '';
      const key = `${base}/config-map/${id}`;
      switch (step.kind) {
        case 'put':
          naive.put(id, `v${++count}`);
          etcd.put(key, sampleModel(`v${count}`));
          break;
        case 'bad':
        case 'empty':
          // What came just before may never be seen, so that its last good version would be a matter of luck.
          if (isTouched) await compare();
          naive.bad(id);
          etcd.put(key, step.kind === 'empty' ? '' : '{');
          break;
        case 'delete':
          if (!naive.mayDelete(id)) break;
          naive.delete(id);
          etcd.delete(key);
          break;
        case 'deleteAll':
          await compare();
          for (const other of ids) if (naive.mayDelete(other)) naive.delete(other);
          etcd.deleteAll((other) => other.startsWith(base));
          break;
        case 'noise':
          etcd.put(`${base}-2/config-map/x`, 'x');
          etcd.put(`${base}/config-map/x/y`, 'x');
          break;
        case 'compact':
          etcd.compact();
          break;
        case 'endWatches':
          etcd.endWatches('no-leader');
          break;
        case 'down':
          etcd.refusal = 'unreachable';
          etcd.endWatches('unreachable');
          break;
        case 'up':
          mend();
          break;
        case 'silent':
          etcd.isSilent = true;
          break;
        case 'loud':
          etcd.isSilent = false;
          break;
        case 'hang':
          etcd.isHanging = true;
          break;
        case 'pause':
          await sleep(15);
          break;
        case 'quiet':
          await compare();
          break;
        case 'wipe':
          await compare();
          naive.wipe();
          etcd.wipe(count % 2 === 0 ? etcd.clusterId : `${etcd.clusterId}0`);
          // Which of the changes that follow at once belong to the old store, a server cannot know.
          await sleep(30);
          break;
      }
      if (['put', 'bad', 'empty', 'delete'].includes(step.kind)) isTouched = true;
    }
    await compare();
  } finally {
    await source.close();
  }
  expect(etcd.openConnections).toBe(0);
}

const id = fc.constantFrom(...ids);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constantFrom('put', 'put', 'put', 'bad', 'empty', 'delete', 'delete'), id }) as fc.Arbitrary<Step>,
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'noise',
        'compact',
        'endWatches',
        'down',
        'up',
        'silent',
        'loud',
        'hang',
        'pause',
        'pause',
        'quiet',
        'deleteAll',
        'wipe',
      ),
    }) as fc.Arbitrary<Step>,
  },
);

describe('createEtcdSource under random changes and faults', () => {
  it('serves what a naive model says after every quiet moment', async () => {
    const numRuns = Number(process.env.INFERFLOW_FUZZ_RUNS ?? 40);
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), run), { numRuns, endOnFailure: true });
  }, 600_000);
});
