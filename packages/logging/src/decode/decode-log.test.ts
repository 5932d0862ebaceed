import { describe, expect, it } from 'vitest';
import { logFeature } from '../schema/log-schema.js';
import { type LogVector, readVectors, vectorCell } from '../testing/log-vectors.js';
import { decodeLog, readLogHeader } from './decode-log.js';
import { parseEnvelope } from './parse-log.js';

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

describe.each(['written-by-go', 'constructed'] as const)('decodeLog, %s', (file) => {
  it.each(readVectors(file).map((vector) => [vector.name, vector] as const))('%s', async (_, vector: LogVector) => {
    const features = vector.schema.map(({ feature_name, feature_type }) => logFeature(feature_name, feature_type.toUpperCase()));
    const options = {
      floats: 'rounded',
      ...(vector.force_format !== undefined && { format: vector.force_format as 'proto' }),
      ...(vector.decompress !== undefined && { decompress: vector.decompress }),
    } as const;
    const { expected } = vector;
    const message = bytesOf(vector.message);
    if (expected.metadata_error !== undefined) await expect(readLogHeader(message, vector.decompress ?? true)).rejects.toThrow();
    else {
      const header = await readLogHeader(message, vector.decompress ?? true);
      expect(header.userId).toBe(expected.metadata?.user_id);
      expect(header.trackingId).toBe(expected.metadata?.tracking_id);
      expect(header.modelConfigId).toBe(expected.metadata?.model_proxy_config_id);
      expect(header.entities).toEqual(expected.metadata?.entities);
      expect(header.parentEntity).toEqual(expected.metadata?.parent_entity);
      expect(header.version).toBe(vectorCell(expected.metadata?.version ?? null));
      expect(header.isCompressed).toBe(expected.metadata?.compression_enabled);
    }
    if (expected.error !== undefined) {
      await expect(decodeLog(message, features, options)).rejects.toThrow();
      return;
    }
    const decoded = await decodeLog(message, features, options);
    expect(decoded.rows).toEqual((expected.rows ?? []).map((row) => row.map(vectorCell)));
    expect(decoded.entityIds).toEqual(expected.entity_id);
    expect(decoded.warnings.length).toBe(expected.warnings);
  });
});

describe('parseEnvelope', () => {
  it('finds the message in every recorded record value', () => {
    for (const { kafka_value, message } of readVectors('written-by-go')) {
      const envelope = parseEnvelope(bytesOf(kafka_value as string));
      expect(Buffer.from(envelope?.message ?? []).toString('base64')).toBe(message);
      expect(envelope?.createdAtSeconds).toBe(1_700_000_000);
    }
  });

  it('says no to anything else', () => {
    expect(parseEnvelope(new Uint8Array([1, 2, 3]))).toBeNull();
    expect(parseEnvelope(bytesOf(readVectors('constructed')[0]?.message ?? ''))).toBeNull();
  });
});
