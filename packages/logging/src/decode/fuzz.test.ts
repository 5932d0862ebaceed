import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LoggingError } from '../errors.js';
import { logFeature } from '../schema/log-schema.js';
import { readVectors } from '../testing/log-vectors.js';
import { decodeLog } from './decode-log.js';
import { parseEnvelope } from './parse-log.js';

const vectors = [...readVectors('written-by-go'), ...readVectors('constructed')];

describe('decodeLog under damage', () => {
  it('gives rows or a LoggingError, whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...vectors),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
        fc.option(fc.nat(), { nil: null }),
        async (vector, changes, cut) => {
          let bytes = new Uint8Array(Buffer.from(vector.message, 'base64'));
          for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
          if (cut !== null && bytes.length > 0) bytes = bytes.slice(0, cut % bytes.length);
          const features = vector.schema.map(({ feature_name, feature_type }) => logFeature(feature_name, feature_type));
          try {
            const decoded = await decodeLog(bytes, features);
            for (const row of decoded.rows) expect(row.length).toBe(features.length);
          } catch (error) {
            expect(error).toBeInstanceOf(LoggingError);
          }
          parseEnvelope(bytes);
        },
      ),
      { numRuns: 1500 },
    );
  });
});
