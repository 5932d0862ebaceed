import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataFrames, h2Frame, headerFrames, settingsFrame } from '../testing/wire.js';
import { FrameReader, type FrameSink, largestControlFrame } from './frame-reader.js';

/** Fuzzing takes this many times as long. */
const long = Number(process.env['FUZZ_TIMES'] ?? 1);
const maxFrame = 128 * 1024;

/** Writes down what it is told; DATA is joined, so that cuts do not show. */
class Recorder implements FrameSink {
  readonly events: string[] = [];
  /** What came last was said to be the last of its stream, and its frame has not ended. */
  isEndDue = false;
  #data: string | null = null;

  dataBegan(streamId: number, length: number): void {
    this.events.push(`data ${streamId} ${length}`);
    this.#data = '';
  }

  dataArrived(bytes: Buffer, from: number, to: number, isLast: boolean): void {
    if (to <= from) throw new Error('empty part');
    if (this.isEndDue) throw new Error('bytes after the last ones');
    this.isEndDue = isLast;
    this.#data += bytes.toString('hex', from, to);
  }

  dataEnded(isLast: boolean): void {
    if (this.isEndDue && !isLast) throw new Error('not the last ones after all');
    this.isEndDue = false;
    this.events.push(`${this.#data} ${isLast}`);
    this.#data = null;
  }

  frameArrived(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    this.events.push(`${type} ${flags} ${streamId} ${type > 9 ? '' : bytes.toString('hex', from, to)}`);
  }

  framingBroken(code: number, problem: string): void {
    this.events.push(`broken ${code} ${problem}`);
    this.#data = null;
  }

  /** With what came of a DATA frame that is not complete. */
  get all(): string[] {
    return this.#data === null ? this.events : [...this.events, this.#data];
  }
}

/** Feeds bytes in reads of the sizes given, each through the same buffer, as a socket does. */
function read(bytes: Buffer, sizes: readonly number[]): string[] {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, maxFrame);
  const buffer = Buffer.alloc(Math.max(bytes.length, 1) + 20);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = Math.max(sizes.length === 0 ? bytes.length : sizes[turn % sizes.length]!, 1);
    const from = turn % 7;
    buffer.fill(0xee);
    const length = bytes.copy(buffer, from, at, Math.min(at + size, bytes.length));
    reader.feed(buffer, from, from + length);
    if (recorder.isEndDue) throw new Error('the last bytes, and the end of their frame not in the same read');
    at += length;
  }
  return recorder.all;
}

const frame = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.nat(255), fc.nat(2 ** 31 - 1), fc.uint8Array({ maxLength: 40 }))
    .map(([type, flags, id, payload]) => h2Frame(type, flags, id, payload)),
  fc
    .tuple(fc.nat(100), fc.uint8Array({ maxLength: 90 }), fc.boolean(), fc.integer({ min: 1, max: 60 }), fc.integer({ min: -1, max: 255 }))
    .map(([id, bytes, isLast, size, padding]) =>
      dataFrames(id, Buffer.from(bytes), isLast, {
        dataSize: () => size,
        padding: () => padding,
        fragmentSize: () => size,
        between: () => Buffer.alloc(0),
      }),
    ),
  fc.constant(settingsFrame([4, 70_000])),
);

describe('FrameReader', () => {
  it('finds the same frames however reads cut them', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 9 }), (frames, sizes) => {
        const bytes = Buffer.concat(frames);
        const whole = read(bytes, []);
        expect(read(bytes, sizes)).toEqual(whole);
        expect(read(bytes, [1])).toEqual(whole);
      }),
      { numRuns: 300 * long },
    );
  });

  it('says the same of damaged and of random bytes however reads cut them', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 8 }),
        changes,
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 9 }),
        (frames, edits, sizes) => {
          const bytes = Buffer.concat(frames);
          for (const [at, byte] of edits) if (bytes.length > 0) bytes[at % bytes.length] = byte;
          expect(read(bytes, sizes)).toEqual(read(bytes, []));
        },
      ),
      { numRuns: 700 * long },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 9 }), (bytes, sizes) => {
        expect(read(Buffer.from(bytes), sizes)).toEqual(read(Buffer.from(bytes), []));
      }),
      { numRuns: 700 * long },
    );
  });

  it('takes padding away and counts it', () => {
    const padded = { dataSize: () => 3, padding: () => 2, fragmentSize: () => 9, between: () => Buffer.alloc(0) };
    expect(read(dataFrames(1, Buffer.from('abcde'), true, padded), [])).toEqual(['data 1 6', '616263 false', 'data 1 5', '6465 true']);
    expect(read(h2Frame(0, 9, 1, Buffer.of(3, 0, 0, 0)), [2])).toEqual(['data 1 4', ' true']);
  });

  it.each([
    ['a frame above the announced size', h2Frame(0, 0, 1, Buffer.alloc(maxFrame + 1)), `broken 6`],
    ['a control frame that is very long', h2Frame(7, 0, 0, Buffer.alloc(largestControlFrame + 1)), 'broken 11'],
    ['padding without a length', h2Frame(0, 8, 1), 'broken 6'],
    ['more padding than payload', h2Frame(0, 8, 1, Buffer.of(3, 0, 0)), 'broken 1'],
  ])('refuses %s and stops', (_what, bytes, event) => {
    const events = read(Buffer.concat([bytes, headerFrames(3, Buffer.from('x'), true)]), [5000]);
    expect(events.at(-1)).toContain(event);
    expect(events.filter((each) => each.startsWith('1 '))).toEqual([]);
  });

  it('skips long frames of extensions without keeping them', () => {
    expect(read(Buffer.concat([h2Frame(200, 1, 9, Buffer.alloc(100_000)), h2Frame(6, 0, 0, Buffer.alloc(8))]), [999])).toEqual([
      '200 1 9 ',
      `6 0 0 ${'00'.repeat(8)}`,
    ]);
  });
});
