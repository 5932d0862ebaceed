import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { adoptSpill } from './adopt-spill.js';
import { SpillDirectory } from './spill-directory.js';

const message = (topic: string, trackingId: string): LogMessage => ({
  topic,
  modelConfigId: 'm',
  trackingId,
  rowCount: 1,
  value: new Uint8Array(50),
  messageStart: 0,
  messageLength: 50,
  format: 'proto',
  createdAtMs: 1,
  schema: null,
});

function spill(directory: string, topic: string, ids: readonly string[], delivered = 0): void {
  const store = new SpillDirectory({ directory }).open(topic);
  for (const id of ids) expect(store.append(message(topic, id))).toBe(null);
  for (let at = 0; at < delivered; at++) store.delivered(store.read(1)!);
  store.close();
}

/** Delivers all there is. */
function drain(directory: string, topic: string): string[] {
  const store = new SpillDirectory({ directory }).open(topic);
  const ids: string[] = [];
  for (let batch = store.read(1000); batch !== null; batch = store.read(1000)) {
    ids.push(...batch.messages.map(({ trackingId }) => trackingId));
    store.delivered(batch);
  }
  store.close();
  return ids;
}

describe('SpillDirectory', () => {
  it('leaves directories alone that are not its own', () => {
    const directory = temporaryFolder();
    for (const name of ['topic-%zz', 'topic-a b', 'lost+found']) mkdirSync(join(directory, name));
    spill(directory, 'a/b', ['1']);
    expect(new SpillDirectory({ directory }).topics()).toEqual(['a/b']);
  });
});

describe('adoptSpill', () => {
  it('moves records behind those of the other directory, without what has been delivered of either', () => {
    const [from, to] = [join(temporaryFolder(), 'worker-2'), temporaryFolder()];
    spill(to, 'a', ['1', '2', '3'], 1);
    spill(from, 'a', ['4', '5'], 1);
    spill(from, 'a', ['6']);
    spill(from, 'b/c', ['7']);
    expect(adoptSpill(from, to)).toBeGreaterThan(150);
    expect(existsSync(from)).toBe(false);
    expect(new SpillDirectory({ directory: to }).topics().toSorted()).toEqual(['a', 'b/c']);
    expect(drain(to, 'a')).toEqual(['2', '3', '5', '6']);
    expect(drain(to, 'b/c')).toEqual(['7']);
  });

  it('skips nothing because of what was delivered there before', () => {
    const [from, to] = [temporaryFolder(), temporaryFolder()];
    spill(to, 'a', ['1', '2'], 1);
    expect(drain(to, 'a')).toEqual(['2']);
    expect(readdirSync(join(to, 'topic-a'))).toEqual(['cursor']);
    spill(from, 'a', ['3', '4']);
    adoptSpill(from, to);
    expect(drain(to, 'a')).toEqual(['3', '4']);
  });

  it('leaves other files alone, and finds nothing where there is nothing', () => {
    const [from, to] = [temporaryFolder(), temporaryFolder()];
    spill(join(from, 'other'), 'a', ['1']);
    expect(adoptSpill(from, to)).toBe(0);
    expect(adoptSpill(join(from, 'missing'), to)).toBe(0);
    expect(drain(join(from, 'other'), 'a')).toEqual(['1']);
  });
});
