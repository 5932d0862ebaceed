import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StatusFile } from './config-status-file.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'status-file-'));
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true, force: true });
});

describe('StatusFile', () => {
  it('writes what became due during a write when it is closed, and nothing after that', async () => {
    const path = join(directory, 'status.json');
    let version = 0;
    let closed: Promise<void> | undefined;
    const file = new StatusFile(
      path,
      () => {
        version++;
        // The write of this content has begun and not ended by then.
        if (version === 1)
          queueMicrotask(() => {
            file.changed();
            closed = file.close();
          });
        return `${version}`;
      },
      () => {},
    );
    file.changed();
    await vi.advanceTimersByTimeAsync(100);
    await closed;
    expect(readFileSync(path, 'utf8')).toBe('2');
    expect(vi.getTimerCount()).toBe(0);
    file.changed();
    expect(vi.getTimerCount()).toBe(0);
  });
});
