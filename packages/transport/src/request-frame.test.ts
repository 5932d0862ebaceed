import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageReader, ReadState } from './message-reader.js';
import { incompleteRequest, RequestFrameScan, RequestProblem } from './request-frame.js';

const maxBytes = 40;

/** What the fast path says, which puts the message together. */
function readerSays(chunks: readonly Buffer[]): string | null {
  const reader = new MessageReader(maxBytes, 16, null);
  for (const chunk of chunks) {
    const state = reader.push(chunk, true);
    if (state === ReadState.TOO_LARGE) return null;
    if (state !== ReadState.OK) return state === ReadState.SURPLUS ? RequestProblem.SURPLUS : RequestProblem.NO_FRAME;
  }
  return reader.isComplete ? null : incompleteRequest(reader);
}

function scanSays(chunks: readonly Buffer[]): string | null {
  const scan = new RequestFrameScan(maxBytes);
  for (const chunk of chunks) {
    const problem = scan.push(chunk);
    if (problem !== null) return problem;
  }
  return scan.end();
}

describe('RequestFrameScan', () => {
  it('says of every body what the reader says that puts it together', () => {
    const seen = new Set<string | null>();
    const body = fc
      .record({
        flag: fc.constantFrom(0, 0, 0, 1, 2, 255),
        length: fc.oneof(fc.nat(60), fc.constantFrom(0xffffffff, 0x80000000)),
        surplus: fc.constantFrom(0, 0, 0, -3, -1, 1, 7),
        head: fc.constantFrom(5, 5, 5, 5, 0, 1, 4),
      })
      .map(({ flag, length, surplus, head }) => {
        const bytes = Buffer.alloc(5 + Math.max(0, Math.min(length, 60) + surplus), 7);
        bytes[0] = flag;
        bytes.writeUInt32BE(length, 1);
        return head < 5 ? bytes.subarray(0, head) : bytes;
      });
    fc.assert(
      fc.property(body, fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 8 }), (bytes, sizes) => {
        const chunks: Buffer[] = [];
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const said = readerSays(chunks);
        seen.add(said === null ? said : said.replace(/\d+ of \d+/, ''));
        expect(scanSays(chunks)).toBe(said);
      }),
      { numRuns: 2000 },
    );
    expect(seen.size).toBe(6);
  });
});
