import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frame as grpcFrame } from '../testing/fault-server.js';
import { HpackEncoder } from '../testing/hpack-encoder.js';
import { greetedBench } from '../testing/session-bench.js';
import {
  cutFrames,
  type Dress,
  dataFrames,
  goawayFrame,
  h2Frame,
  headerFrames,
  resetFrame,
  settingsFrame,
  windowFrame,
} from '../testing/wire.js';

/** Fuzzing takes this many times as long. */
const long = Number(process.env['FUZZ_TIMES'] ?? 1);

describe('ClientSession: damaged and random bytes', () => {
  const dress = (dice: () => number): Dress => ({
    dataSize: () => 1 + (dice() % 40),
    padding: () => (dice() % 3 === 0 ? dice() % 20 : -1),
    fragmentSize: () => 1 + (dice() % 30),
    between: () =>
      dice() % 5 === 0
        ? [h2Frame(6, 0, 0, Buffer.alloc(8)), settingsFrame([4, dice() * 100]), h2Frame(99, 3, 7, Buffer.alloc(5))][dice() % 3]!
        : Buffer.alloc(0),
  });

  /** Answers to `count` calls, interleaved frame by frame. */
  function conversation(dice: () => number, count: number): Buffer {
    const encoder = new HpackEncoder(4096, dice);
    const parts: Buffer[] = [];
    const steps: (() => Buffer)[][] = Array.from({ length: count }, (_, i) => {
      const id = 2 * i + 1;
      const look = dress(dice);
      const message = grpcFrame(Buffer.from(`answer ${id} ${'z'.repeat(dice() % 90)}`));
      const half = dice() % message.length;
      return [
        () =>
          headerFrames(
            id,
            encoder.encode([
              [':status', '200'],
              ['content-type', 'application/grpc'],
              ['x-call', `${id}`],
            ]),
            false,
            look,
          ),
        () => dataFrames(id, message.subarray(0, half), false, look),
        () => dataFrames(id, message.subarray(half), false, look),
        () =>
          headerFrames(
            id,
            encoder.encode([
              ['grpc-status', '0'],
              ['grpc-message', ''],
            ]),
            true,
            look,
          ),
      ];
    });
    while (steps.some((each) => each.length > 0)) {
      const at = dice() % count;
      const step = steps[at]!.shift();
      if (step !== undefined) parts.push(step());
    }
    return Buffer.concat(parts);
  }

  const dices = fc.infiniteStream(fc.nat(999)).map((stream) => () => stream.next().value as number);
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 8 });

  it('reads valid bytes the same however reads cut them', () => {
    fc.assert(
      fc.property(dices, fc.integer({ min: 1, max: 8 }), sizes, (dice, count, cuts) => {
        const bytes = conversation(dice, count);
        const logs = [cuts, [1], []].map((reads) => {
          const bench = greetedBench();
          for (let i = 0; i < count; i++) bench.start();
          bench.read(bytes, reads);
          bench.close();
          return bench.log;
        });
        expect(logs[0]!.filter((line) => / status 0 "answer \d+ z*"$/.test(line))).toHaveLength(count);
        expect(logs[1]).toEqual(logs[0]);
        expect(logs[2]).toEqual(logs[0]);
      }),
      { numRuns: 150 * long },
    );
  });

  it('survives damaged and random bytes: every call ends once, pools get everything back, and reads may be cut anywhere', () => {
    let broken = 0;
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(dices, changes, sizes, fc.boolean(), (dice, edits, cuts, isRandom) => {
        const bytes = isRandom ? Buffer.from(Array.from({ length: dice() % 400 }, () => dice())) : conversation(dice, 4);
        for (const [at, byte] of edits) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        const logs = [cuts, []].map((reads) => {
          const bench = greetedBench();
          for (let i = 0; i < 4; i++) bench.start(Buffer.alloc(i * 30_000));
          bench.read(bytes, reads);
          if (bench.broken !== null) broken++;
          bench.close();
          expect([...bench.ends]).toHaveLength(4);
          for (const count of bench.ends.values()) expect(count).toBe(1);
          return bench.log;
        });
        expect(logs[1]).toEqual(logs[0]);
      }),
      { numRuns: 500 * long },
    );
    expect(broken).toBeGreaterThan(50);
  });

  it('ends calls once through GOAWAY and resets between the frames', () => {
    fc.assert(
      fc.property(dices, sizes, (dice, cuts) => {
        const bench = greetedBench();
        for (let i = 0; i < 6; i++) bench.start();
        const { frames } = cutFrames(conversation(dice, 6));
        const mixed = frames.flatMap(({ type, flags, streamId, payload }, i) => {
          const whole = h2Frame(type, flags, streamId, payload);
          const isOpen = (type === 1 || type === 9) && (flags & 4) === 0;
          if (isOpen || dice() % 12 > 0) return [whole];
          return [whole, [resetFrame((2 * (i % 6) + 1) >>> 0, dice() % 14), goawayFrame(dice() % 14), windowFrame(0, 1000)][dice() % 3]!];
        });
        bench.read(Buffer.concat(mixed), cuts);
        expect(bench.broken).toBeNull();
        bench.close();
        expect([...bench.ends.values()]).toEqual([1, 1, 1, 1, 1, 1]);
      }),
      { numRuns: 200 * long },
    );
  });
});
