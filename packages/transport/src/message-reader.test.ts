import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.js';
import { MessageReader, ReadState } from './message-reader.js';

function framed(message: Uint8Array, flag = 0): Buffer {
  const bytes = Buffer.alloc(message.length + 5);
  bytes[0] = flag;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length));
}

describe('MessageReader', () => {
  it('puts a message together however it is cut, with and without a pool', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.array(fc.nat(4000), { maxLength: 40 }),
        fc.integer({ min: 1, max: 4000 }),
        fc.boolean(),
        fc.integer({ min: 0, max: 1 }),
        fc.boolean(),
        (message, places, firstBytes, isPooled, flag, lasts) => {
          const pool = isPooled ? new BufferPool(1_000_000) : null;
          const reader = new MessageReader(3000, firstBytes, pool);
          const chunks = cut(framed(message, flag), places);
          chunks.forEach((chunk, i) => {
            expect(reader.isComplete && chunk.length > 0).toBe(false);
            expect(reader.push(chunk, lasts)).toBe(ReadState.OK);
            if (!lasts) chunk.fill(0xee);
            if (i < chunks.length - 1 && chunks.slice(i + 1).some((later) => later.length > 0)) expect(reader.isComplete).toBe(false);
          });
          expect(reader.isComplete).toBe(true);
          expect(reader.isCompressed).toBe(flag === 1);
          expect(Buffer.compare(reader.message, message)).toBe(0);
          reader.release();
          if (pool !== null) expect(pool.taken).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('finds surplus bytes, bad flags and long messages however they are cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 50 }),
        fc.uint8Array({ minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(100)),
        (message, surplus, places) => {
          const find = (bytes: Buffer, maxBytes: number) => {
            const reader = new MessageReader(maxBytes, 16, null);
            for (const chunk of cut(bytes, places)) {
              const state = reader.push(chunk, true);
              if (state !== ReadState.OK) return state;
            }
            return ReadState.OK;
          };
          expect(find(Buffer.concat([framed(message), surplus]), 50)).toBe(ReadState.SURPLUS);
          expect(find(framed(message, 2), 50)).toBe(ReadState.BAD_FLAG);
          if (message.length > 0) expect(find(framed(message), message.length - 1)).toBe(ReadState.TOO_LARGE);
        },
      ),
    );
  });

  it('is a view of the chunk when the message lies in one', () => {
    const chunk = framed(Buffer.from('hello'));
    const reader = new MessageReader(100, 100, null);
    reader.push(chunk, true);
    expect(reader.message.buffer).toBe(chunk.buffer);
  });

  it('takes memory for what arrived, not for what was announced', () => {
    const pool = new BufferPool(0);
    let largest = 0;
    const take = pool.take.bind(pool);
    pool.take = (size) => {
      largest = Math.max(largest, size);
      return take(size);
    };
    const reader = new MessageReader(1 << 30, 65_536, pool);
    const head = Buffer.alloc(10);
    head.writeUInt32BE(1 << 30, 1);
    reader.push(head, true);
    expect(largest).toBe(65_536);
    expect(reader).toMatchObject({ received: 5, announced: 1 << 30, isComplete: false });
    reader.release();
  });
});

describe('BufferPool', () => {
  it('gives back what it took, rounded up, and bounds what is idle', () => {
    const pool = new BufferPool(100_000);
    const small = pool.take(1);
    expect(small).toHaveLength(16_384);
    pool.give(small);
    expect(pool.take(16_384)).toBe(small);
    expect(pool.take(16_385)).toHaveLength(32_768);
    const huge = pool.take(9_000_000);
    expect(huge).toHaveLength(9_000_000);
    pool.give(huge);
    expect(pool.idleBytes).toBe(0);
    const large = [pool.take(60_000), pool.take(60_000)];
    for (const buffer of large) pool.give(buffer);
    expect(pool.idleBytes).toBe(65_536);
  });
});
