import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LoggingError } from '../errors.js';
import { scoredRequest } from '../testing/scoring-vectors.js';
import { parseScoringLog } from './parse-scoring-log.js';
import { ScoringEncoder } from './scoring-encoder.js';
import { ScoringRecord } from './scoring-record.js';
import { ScoringAssembler } from './scoring-request.js';
import { UserIdentity } from './user-identity.js';

function encoded(rows: number): { readonly messages: Uint8Array[]; readonly steps: number } {
  const messages: Uint8Array[] = [];
  const encoder = new ScoringEncoder(
    {
      encoded: ({ value, messageStart, messageLength }) => messages.push(value.slice(messageStart, messageStart + messageLength)),
      lost: () => {},
      unfit: () => {},
    },
    new UserIdentity(),
  );
  const { record, details } = scoredRequest({ rows, slates: true });
  const schema = { modelConfigId: 'films', configHash: 'h', version: 1, features: [] };
  const steps = encoder.encode({
    record: new ScoringRecord(record, details, [], () => {}),
    parentEntity: '',
    schema,
    format: 'proto',
    zstd: null,
    topic: 't',
    maxRecordBytes: 1_000_000,
    createdAtMs: 0,
  });
  let count = 0;
  while (steps.next().done !== true) count++;
  return { messages, steps: count };
}

describe('a damaged ScoringLog', () => {
  it('is read or refused, whatever the bytes', async () => {
    const { messages } = encoded(6);
    const [message] = messages as [Uint8Array];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.option(fc.nat(), { nil: null }),
        async (changes, cut) => {
          let bytes = message.slice();
          for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
          if (cut !== null) bytes = bytes.slice(0, cut % bytes.length);
          try {
            const request = new ScoringAssembler().add(await parseScoringLog(bytes), bytes.length);
            for (const column of request?.targets.all ?? []) {
              for (let row = 0; row < Math.min(request?.head.rowCount ?? 0, 100); row++) {
                const status = column.status(row);
                expect(column.bytes(row).length > 0 && status >= 8).toBe(false);
              }
            }
          } catch (error) {
            expect(error).toBeInstanceOf(LoggingError);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe('ScoringEncoder', () => {
  it('pauses the more often the larger a request is', () => {
    expect(encoded(10).steps).toBe(0);
    expect(encoded(4000).steps).toBeGreaterThanOrEqual(2);
  });
});
