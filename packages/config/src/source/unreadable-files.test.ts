import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ConfigSnapshot } from '../snapshot.js';
import { createDirectorySource } from './directory-source.js';

/** A process that may have only so many files open. */
const files = vi.hoisted(() => ({ open: 0, most: 0, limit: Number.POSITIVE_INFINITY }));

vi.mock('node:fs/promises', async (original) => {
  const actual = await original<typeof import('node:fs/promises')>();
  const readFile = async (path: string, encoding: 'utf8'): Promise<string> => {
    if (files.open >= files.limit) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    files.most = Math.max(files.most, ++files.open);
    return actual.readFile(path, encoding).finally(() => files.open--);
  };
  return { ...actual, readFile };
});

let directory = '';
beforeEach(async () => {
  Object.assign(files, { open: 0, most: 0, limit: Number.POSITIVE_INFINITY });
  directory = await mkdtemp(join(tmpdir(), 'inferflow-config-'));
  await mkdir(join(directory, 'models'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const problemOf = (snapshot: ConfigSnapshot | undefined) => snapshot?.models.get('m0')?.problems[0]?.code;

async function writeModels(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await writeFile(join(directory, 'models', `m${index}.json`), '{}');
}

it('does not open all files at the same time', async () => {
  await writeModels(200);
  const source = createDirectorySource({ directory });
  const snapshot = await source.start(() => undefined);
  expect(snapshot.models.size).toBe(200);
  expect(files.most).toBeLessThan(50);
  await source.close();
});

it('reads a file that could not be read again, although it has not changed', async () => {
  await writeModels(1);
  const path = join(directory, 'models', 'm0.json');
  await utimes(path, new Date(0), new Date(0));
  files.limit = 0;
  const source = createDirectorySource({ directory, pollIntervalMs: 10 });
  const snapshots: ConfigSnapshot[] = [];
  expect(problemOf(await source.start((snapshot) => snapshots.push(snapshot)))).toBe('INFERFLOW_CONFIG_UNREADABLE');
  files.limit = 1;
  await expect.poll(() => problemOf(snapshots.at(-1))).toBe('INFERFLOW_CONFIG_MISSING');
  expect(snapshots).toHaveLength(1);
  await source.close();
});
