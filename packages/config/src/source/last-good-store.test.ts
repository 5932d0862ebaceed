import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StoredSnapshot } from './last-good-format.js';
import { createSnapshotStore, type SnapshotStore } from './last-good-store.js';
import type { ConfigDocument } from './model-document.js';

let directory = '';
const stores: SnapshotStore[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferflow-state-'));
});

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await rm(directory, { recursive: true, force: true });
});

function open(path = directory, minIntervalMs = 1, problems: (string | null)[] = []): SnapshotStore {
  const store = createSnapshotStore({ directory: path, minIntervalMs, onProblem: (problem) => problems.push(problem) });
  stores.push(store);
  return store;
}

const json = (text: string): ConfigDocument => ({ text, format: 'json' });

function snapshot(models: Record<string, ConfigDocument>, extra: Partial<StoredSnapshot> = {}): StoredSnapshot {
  return { origin: 'here', savedAt: 7, position: 'p', models: new Map(Object.entries(models)), service: undefined, ...extra };
}

async function fileIn(path: string): Promise<string> {
  const [name = ''] = await readdir(path);
  return join(path, name);
}

async function kept(models: Record<string, ConfigDocument>): Promise<string> {
  const store = open();
  store.save(snapshot(models));
  await store.close();
  return fileIn(directory);
}

describe('createSnapshotStore', () => {
  it('reads what another process keeps, and writes nothing where it is told so', async () => {
    await kept({ a: json('{}') });
    const reader = createSnapshotStore({ directory, isReadOnly: true, minIntervalMs: 1 });
    reader.save(snapshot({ b: json('{}') }));
    await reader.close();
    const read = await open().read('here');
    expect(read.kind === 'loaded' && [...read.snapshot.models.keys()]).toEqual(['a']);
  });

  it('gives back exactly what was saved, whatever the texts hold', async () => {
    const store = open();
    const models = {
      'a-b': json('{"x":"line\\nbreak \u2028 é"}\n\n'),
      'A/b c': { text: 'x: 1\n', format: 'yaml' } as const,
      __proto__: json('1'),
    };
    store.save(snapshot(models, { service: { value: { 'v2-logging-type': 'proto' } } }));
    await store.close();
    const read = await open().read('here');
    expect(read).toEqual({
      kind: 'loaded',
      snapshot: snapshot(models, { service: json('{"v2-logging-type":"proto"}') }),
    });
  });

  it('keeps the newest of many and leaves no other file behind', async () => {
    const store = open(directory, 5);
    for (let index = 0; index < 50; index++) {
      store.save(snapshot({ a: json(`${index}`) }));
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await store.close();
    const read = await open().read('here');
    expect(read.kind === 'loaded' && read.snapshot.models.get('a')).toEqual(json('49'));
    expect(await readdir(directory)).toHaveLength(1);
  });

  it('has nothing at first, and keeps sources apart', async () => {
    const store = open(join(directory, 'made', 'here'));
    expect(await store.read('here')).toEqual({ kind: 'absent' });
    store.save(snapshot({ a: json('1') }));
    await store.close();
    expect(await open(store.directory).read('there')).toEqual({ kind: 'absent' });
  });

  it.each([
    ['a changed byte', (text: string) => text.replace('one', 'two'), 'its checksum is wrong'],
    ['a cut-off end', (text: string) => text.slice(0, -80), 'it is cut off'],
    ['nothing in it', () => '', 'it is cut off'],
    ['a later version', (text: string) => signed(text.replace('"version":1', '"version":9')), 'it has version 9 of the format, expected 1'],
    ['another origin', (text: string) => signed(text.replace('"origin":"here"', '"origin":"there"')), 'it was kept for there'],
    ['a lost line', (text: string) => signed(text.replace(/\{"id":"b".*\n/, '')), 'models are missing'],
    ['other content', () => signed('{"x":1}\n{}\n'), 'it holds something else'],
  ])('refuses a file with %s', async (_what, damage, reason) => {
    const path = await kept({ a: json('"one"'), b: json('2') });
    await writeFile(path, damage(await readFile(path, 'utf8')));
    expect(await open().read('here')).toEqual({ kind: 'refused', reason: `${path} is not used: ${reason}` });
  });

  it('says once that it cannot write, and serves on', async () => {
    const place = join(directory, 'state');
    await writeFile(place, 'a file where the directory should be');
    const problems: (string | null)[] = [];
    const store = open(place, 1, problems);
    store.save(snapshot({ a: json('1') }));
    await expect.poll(() => problems.length).toBe(1);
    expect(problems[0]).toContain('cannot be kept');
    expect(store.problem).toBe(problems[0]);
    store.save(snapshot({ a: json('2') }));
    await store.close();
    expect(problems).toHaveLength(1);
  });

  // Without it the write would never end.
  it.runIf(existsSync('/proc/self'))('tells of a directory that cannot be made since the one above takes none', async () => {
    const problems: (string | null)[] = [];
    const store = open('/proc/none/below', 1, problems);
    store.save(snapshot({ a: json('{}') }));
    await store.close();
    expect(problems).toEqual([expect.stringContaining('/proc/none/below (ENOENT)')]);
  });

  it('says when it can write again', async () => {
    const place = join(directory, 'state');
    await writeFile(place, 'a file where the directory should be');
    const problems: (string | null)[] = [];
    const store = open(place, 1, problems);
    store.save(snapshot({ a: json('1') }));
    await expect.poll(() => problems.length).toBe(1);
    await rm(place);
    store.save(snapshot({ a: json('3') }));
    await expect.poll(() => problems.length).toBe(2);
    expect(problems[1]).toBeNull();
    expect(store.problem).toBe('');
    const read = await store.read('here');
    expect(read.kind === 'loaded' && read.snapshot.models.get('a')).toEqual(json('3'));
  });

  it('does not lose what is there when the disk fills up', async () => {
    const path = await kept({ a: json('1') });
    const store = open();
    // Stands in for a full disk: the write fails half-way through.
    const models = new Map([['a', json('2')]]);
    Object.defineProperty(models, Symbol.iterator, {
      *value() {
        yield ['a', json('x'.repeat(300_000))];
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      },
    });
    store.save({ ...snapshot({}), models });
    await expect.poll(() => store.problem).toContain('ENOSPC');
    const read = await store.read('here');
    expect(read.kind === 'loaded' && read.snapshot.models.get('a')).toEqual(json('1'));
    expect(await readdir(directory)).toEqual([path.slice(directory.length + 1)]);
  });

  it('can be read from a read-only directory', async () => {
    await kept({ a: json('1') });
    await chmod(directory, 0o500);
    expect((await open().read('here')).kind).toBe('loaded');
    await chmod(directory, 0o700);
  });
});

/** Puts the right checksum under a changed body. */
function signed(text: string): string {
  const body = text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1);
  return `${body}${JSON.stringify({ sha256: createHash('sha256').update(body).digest('hex') })}\n`;
}
