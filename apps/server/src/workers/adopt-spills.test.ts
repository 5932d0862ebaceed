import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readEnvironment } from '../env.js';
import { createLogger } from '../logger.js';
import { startStockServer } from '../testing/stock-server.js';
import { sumModel } from '../testing/sum-model.js';
import { adoptSpills } from './adopt-spills.js';

const directory = mkdtempSync(join(tmpdir(), 'inferflow-spills-'));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function spilled(...place: string[]): void {
  mkdirSync(join(directory, ...place, 'topic-t'), { recursive: true });
  writeFileSync(join(directory, ...place, 'topic-t', '0000000001.spill'), 'record');
}

function spilledBy(workers: readonly number[]): void {
  for (const worker of workers) {
    spilled(`worker-${worker}`);
    spilled(`worker-${worker}`, 'scoring');
  }
}

const settings = { INFERFLOW_LOG_POLICY: 'spill', INFERFLOW_LOG_SPILL_DIR: directory };

describe('adoptSpills', () => {
  it('takes over what workers above the count have spilled, full records too', () => {
    spilledBy([2, 3, 4]);
    const lines: string[] = [];
    const logger = createLogger('INFO', 'test', { write: (line: string) => void lines.push(line) });
    adoptSpills(readEnvironment(settings), 2, logger);
    expect(readdirSync(directory).toSorted()).toEqual(['scoring', 'topic-t', 'worker-2']);
    expect(readdirSync(join(directory, 'topic-t'))).toHaveLength(2);
    expect(readdirSync(join(directory, 'scoring', 'topic-t'))).toHaveLength(2);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { worker: 3, bytes: 12 },
      { worker: 4, bytes: 12 },
    ]);
  });

  it('is done by a single process', async () => {
    spilledBy([2]);
    await (await startStockServer({ sum: sumModel() }, settings)).close();
    expect(existsSync(join(directory, 'worker-2'))).toBe(false);
    expect(readdirSync(join(directory, 'topic-t'))).toHaveLength(1);
  });

  it('leaves everything where it is when nothing is spilled any more', () => {
    spilledBy([2]);
    adoptSpills(readEnvironment({ INFERFLOW_LOG_SPILL_DIR: directory }), 1, createLogger('DISABLED', 'test'));
    expect(readdirSync(directory)).toEqual(['worker-2']);
  });
});
