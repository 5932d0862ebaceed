import { fromBinary } from '@bufbuild/protobuf';
import { type Memory, MemoryPool } from '@inferflow/matrix';
import { PointWiseResponseSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { openDoor, request, TestCaller } from './testing/open-door.js';
import { plugin } from './testing/plugins.js';

/** A pool that runs out of memory, once or for good. */
class ScarcePool extends MemoryPool {
  left = Number.POSITIVE_INFINITY;
  hasFailed = false;
  #isOnce: boolean;

  constructor(isOnce: boolean) {
    super();
    this.#isOnce = isOnce;
  }

  override acquire(minBytes: number): Memory {
    if (this.left-- > 0) return super.acquire(minBytes);
    this.left = this.#isOnce ? Number.POSITIVE_INFINITY : 0;
    this.hasFailed = true;
    throw new RangeError('Array buffer allocation failed');
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 *     v ─ later ── x ─ double ─ a        later waits until it is let on
 *     v ─ broken ─ y ─ double ─ z        broken throws, so nobody doubles y
 */
async function openWorld(isOnce: boolean) {
  const pool = new ScarcePool(isOnce);
  let letOn = () => {};
  const { door, plan } = await openDoor({
    pool,
    plugins: [
      plugin('first', 'later', 'v', 'x'),
      plugin('second', 'double', 'x', 'a'),
      plugin('third', 'broken', 'v', 'y', 'skip_dependents'),
      plugin('fourth', 'double', 'y', 'z'),
    ],
    waits: { second: ['first'], fourth: ['third'] },
    behaviours: {
      later: async (run) => {
        await new Promise<void>((resolve) => {
          letOn = resolve;
        });
        for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row) + 1);
      },
      broken: () => {
        throw new Error('as it should');
      },
    },
  });
  const message = request(100);
  return {
    door,
    pool,
    plan,
    /** Asks; `happens` while the first component waits. */
    async ask(happens: (caller: TestCaller) => unknown = () => {}, timeMs = 5000): Promise<TestCaller> {
      const caller = new TestCaller({ 'user-id': 'u-1' }, null, performance.now() + timeMs);
      door.begin('InferPointWise', caller, message);
      await turn();
      await happens(caller);
      letOn();
      await turn();
      return caller;
    },
  };
}

const scoresOf = ({ answer }: TestCaller) => answer && fromBinary(PointWiseResponseSchema, answer).targetScores;

type World = Awaited<ReturnType<typeof openWorld>>;
const endings: readonly [string, (world: World) => Promise<TestCaller>][] = [
  ['is answered', ({ ask }) => ask()],
  ['runs out of time', ({ ask }) => ask(() => new Promise((resolve) => setTimeout(resolve, 25)), 15)],
  ['is left by its caller', ({ ask }) => ask(({ scope }) => scope.end('cancelled'))],
  ['meets the end of the engine', ({ ask, door }) => ask(() => door.close(0))],
];

describe.each(['once', 'for good'])('memory that runs out %s', (how) => {
  // Each piece of memory that a request takes is the one too many once: message, rows, what all rows share, the blocks of components that run, fail or are skipped.
  it.each(endings)('while a request %s, costs no more than that request', async (ending, end) => {
    const right = scoresOf(await (await openWorld(true)).ask());
    expect(right).toHaveLength(100);
    let internal = 0;
    for (let piece = 0, hasFailed = true; hasFailed; piece++) {
      const world = await openWorld(how === 'once');
      const { door, pool, plan, ask } = world;
      pool.left = piece;
      const caller = await end(world);
      expect(caller.answer !== null).toBe(caller.error === null);
      if (caller.error?.code === 'INFERFLOW_ENGINE_INTERNAL') internal++;
      hasFailed = pool.hasFailed;
      pool.left = Number.POSITIVE_INFINITY;
      expect([pool.outstanding, pool.outstandingBytes, pool.strayReleases, door.inFlight, plan.gate.inside]).toEqual([0, 0, 0, 0, 0]);
      if (ending !== 'meets the end of the engine') expect(scoresOf(await ask())).toEqual(right);
    }
    expect(internal).toBeGreaterThan(1);
  });
});
