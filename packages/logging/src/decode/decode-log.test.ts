import { describe, expect, it } from 'vitest';
import { logFeature } from '../schema/log-schema.js';
import { type LogVector, readVectors, vectorCell } from '../testing/log-vectors.js';
import { zstdBomb } from '../testing/zstd-bomb.js';
import { loadZstd } from '../zstd.js';
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

describe('decodeLog, of frames that say they have more than a record may have', () => {
  it('opens none of them, and says so', async () => {
    const before = process.memoryUsage().rss;
    const bomb = zstdBomb(1 << 30);
    expect(bomb.length).toBeLessThan(40_000);
    const refused = { code: 'INFERFLOW_LOGGING_COMPRESSION_INVALID', message: expect.stringContaining('its content has 1073741824 bytes') };
    await expect(readLogHeader(bomb)).rejects.toMatchObject(refused);
    await expect(decodeLog(bomb, [])).rejects.toMatchObject(refused);
    // A number of eight bytes, of which a reader of four would see none.
    const huge = Buffer.from('28b52ffde00000000001000000', 'hex');
    await expect(readLogHeader(Buffer.concat([huge, bomb.subarray(9)]))).rejects.toThrow('its content has 4294967296 bytes');
    expect(process.memoryUsage().rss - before).toBeLessThan(256 << 20);
  });

  it('opens what is below that, whether the frame says how much it is or not', async () => {
    const zstd = await loadZstd();
    expect(zstd.decompress(zstdBomb(32 << 20)).length).toBe(32 << 20);
    const bomb = zstdBomb(4 << 20);
    // A window of 2 MiB instead of the size.
    const unsaid = Buffer.concat([bomb.subarray(0, 4), Buffer.from([0, 11 << 3]), bomb.subarray(9)]);
    expect(zstd.decompress(unsaid).length).toBe(4 << 20);
    expect(() => zstd.decompress(unsaid, 1 << 20)).toThrow();
  });

  it.each(readVectors('constructed').filter(({ message }) => lz4At(bytesOf(message)) >= 0))(
    'nor a body of Arrow: $name',
    async (vector) => {
      const message = bytesOf(vector.message);
      const features = vector.schema.map(({ feature_name, feature_type }) => logFeature(feature_name, feature_type.toUpperCase()));
      new DataView(message.buffer).setBigInt64(lz4At(message) - 8, 1n << 30n, true);
      await expect(decodeLog(message, features)).rejects.toThrow('a compressed part of 1073741824 bytes');
    },
  );
});

/** Where the first LZ4 frame is. */
function lz4At(bytes: Uint8Array): number {
  return Buffer.from(bytes).indexOf(Buffer.from([0x04, 0x22, 0x4d, 0x18]));
}

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
