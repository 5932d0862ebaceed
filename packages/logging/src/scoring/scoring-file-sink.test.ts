import { createReadStream, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { shortenWrites } from '../testing/short-writes.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { readDelimited } from './read-delimited.js';
import { createScoringFileSink } from './scoring-file-sink.js';

function message(fill: number, length = 300): LogMessage {
  const value = new Uint8Array(length).fill(fill);
  const facts = { topic: 't', modelConfigId: 'm', trackingId: '', rowCount: 1, messageStart: 0, messageLength: length, schema: null };
  return { ...facts, value, format: 'scoring', createdAtMs: 1_700_000_000_000 };
}

async function recordsIn(directory: string): Promise<readonly number[]> {
  const [name] = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.scoring'));
  const fills: number[] = [];
  for await (const bytes of readDelimited(createReadStream(join(directory, name as string)))) fills.push(bytes[bytes.length - 1] as number);
  return fills;
}

describe('createScoringFileSink', () => {
  it('has written all of a batch that it calls delivered, though the disk takes it piece by piece', async () => {
    const directory = temporaryFolder();
    const sink = createScoringFileSink({ directory });
    const restore = await shortenWrites();
    try {
      for (const fill of [1, 3]) expect(await sink.deliver('t', [message(fill), message(fill + 1)])).toEqual({ isDelivered: true });
    } finally {
      restore();
    }
    await sink.close(1000);
    expect(await recordsIn(directory)).toEqual([1, 2, 3, 4]);
  });

  it('closes a file when its time is up, also when the clock was set back meanwhile', async () => {
    const directory = temporaryFolder();
    const sink = createScoringFileSink({ directory, intervalMs: 60 });
    await sink.deliver('t', [message(1)]);
    const now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now - 3_600_000);
    try {
      await vi.waitFor(async () => expect(await recordsIn(directory)).toEqual([1]), 3000);
    } finally {
      vi.restoreAllMocks();
      await sink.close(1000);
    }
  });
});
