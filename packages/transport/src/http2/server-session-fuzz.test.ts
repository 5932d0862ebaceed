import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackEncoder } from '../testing/hpack-encoder.js';
import { callFields, greetedServer } from '../testing/server-bench.js';
import { type Dress, dataFrames, h2Frame, headerFrames, resetFrame, settingsFrame, windowFrame } from '../testing/wire.js';

/** Fuzzing takes this many times as long. */
const long = Number(process.env['FUZZ_TIMES'] ?? 1);

describe('ServerSession: damaged and random bytes', () => {
  const dress = (dice: () => number): Dress => ({
    dataSize: () => 1 + (dice() % 40),
    padding: () => (dice() % 3 === 0 ? dice() % 20 : -1),
    fragmentSize: () => 1 + (dice() % 30),
    between: () =>
      dice() % 5 === 0
        ? [
            h2Frame(6, 0, 0, Buffer.alloc(8)),
            settingsFrame([4, dice() * 100]),
            windowFrame(0, 1 + dice()),
            h2Frame(99, 3, 7, Buffer.alloc(5)),
          ][dice() % 4]!
        : Buffer.alloc(0),
  });

  /** `count` calls, interleaved frame by frame. */
  function conversation(dice: () => number, count: number): Buffer {
    const encoder = new HpackEncoder(4096, dice);
    const parts: Buffer[] = [];
    // Streams begin in order, so a stream's HEADERS go out when the one before has begun.
    const steps = Array.from({ length: count }, (_, i) => {
      const id = 2 * i + 1;
      const look = dress(dice);
      const body = Buffer.from(`question ${id} ${'z'.repeat(dice() % 90)}`);
      const half = dice() % body.length;
      return [
        () => headerFrames(id, encoder.encode([...callFields, ['x-call', `${id}`], ['grpc-timeout', `${dice()}m`]]), false, look),
        () => dataFrames(id, body.subarray(0, half), false, look),
        ...(dice() % 4 === 0
          ? [
              () => dataFrames(id, body.subarray(half), false, look),
              () => headerFrames(id, encoder.encode([['x-last', 'yes']]), true, look),
            ]
          : [() => dataFrames(id, body.subarray(half), true, look)]),
      ];
    });
    let begun = 0;
    while (steps.some((each) => each.length > 0)) {
      const at = dice() % count;
      if (at > begun) continue;
      const step = steps[at]!.shift();
      if (step === undefined) continue;
      if (at === begun) begun++;
      parts.push(step());
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
          const bench = greetedServer([[4, 1 << 20]]);
          bench.echoes = true;
          bench.read(bytes, reads);
          expect(bench.broken).toBeNull();
          bench.close();
          return bench.log;
        });
        expect(logs[0]!.filter((line) => /^\d+ whole question \d+ z*$/.test(line))).toHaveLength(count);
        expect(logs[1]).toEqual(logs[0]);
        expect(logs[2]).toEqual(logs[0]);
      }),
      { numRuns: 150 * long },
    );
  });

  it('survives damaged and random bytes: every request ends once, pools get everything back, and reads may be cut anywhere', () => {
    let broken = 0;
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(dices, changes, sizes, fc.boolean(), fc.boolean(), (dice, edits, cuts, isRandom, echoes) => {
        const bytes = isRandom ? Buffer.from(Array.from({ length: dice() % 400 }, () => dice())) : conversation(dice, 4);
        for (const [at, byte] of edits) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        const logs = [cuts, []].map((reads) => {
          const bench = greetedServer([[4, 40]], 3);
          bench.echoes = echoes;
          bench.read(bytes, reads);
          if (bench.broken !== null) broken++;
          bench.close();
          return bench.log;
        });
        expect(logs[1]).toEqual(logs[0]);
      }),
      { numRuns: 500 * long },
    );
    expect(broken).toBeGreaterThan(50);
  });

  it('takes frames of every type and length in any order', () => {
    const frames = fc.array(
      fc.tuple(
        fc.nat(11),
        fc.nat(255),
        fc.constantFrom(0, 1, 2, 3, 5, 7, 0x7fffffff),
        fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.constant(null)),
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(frames, sizes, (list, cuts) => {
        const encoder = new HpackEncoder(4096, () => 4);
        const bench = greetedServer();
        bench.echoes = true;
        const bytes = list.map(([type, flags, id, payload]) =>
          payload === null
            ? headerFrames(id, encoder.encode(callFields), (flags & 1) === 1)
            : h2Frame(type, flags, id, Buffer.from(payload)),
        );
        bench.read(Buffer.concat([...bytes, resetFrame(1, 8)]), cuts);
        bench.close();
      }),
      { numRuns: 500 * long },
    );
  });
});
