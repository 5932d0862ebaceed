import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createParquetSink } from './file/parquet-sink.js';
import { makeDirectory } from './make-directory.js';
import { SpillDirectory } from './pipeline/spill-directory.js';
import { SchemaArchive } from './schema/schema-archive.js';
import { createScoringFileSink } from './scoring/scoring-file-sink.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'make-directory-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('makeDirectory', () => {
  it('makes what is missing, and is content with what is there', () => {
    const path = join(folder, 'a/b', '..', 'c');
    makeDirectory(path);
    makeDirectory(path);
    makeDirectory(`${path}/`);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('says what is in the way', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(() => makeDirectory(file)).toThrow('EEXIST');
    expect(() => makeDirectory(join(file, 'below'))).toThrow('ENOTDIR');
  });

  // Without it none of these would ever return.
  it.runIf(existsSync('/proc/self'))('fails below a directory that takes none, whatever is to be kept there', async () => {
    const directory = '/proc/none/below';
    expect(() => makeDirectory(directory)).toThrow("ENOENT: no such file or directory, mkdir '/proc/none'");
    expect(() => new SpillDirectory({ directory })).toThrow('ENOENT');
    expect(() => new SchemaArchive({ directory })).toThrow('ENOENT');
    expect(() => createScoringFileSink({ directory })).toThrow('ENOENT');
    await expect(createParquetSink({ directory })).rejects.toThrow('ENOENT');
  });
});
