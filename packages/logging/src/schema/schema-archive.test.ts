import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LogSchema, logFeature } from './log-schema.js';
import { SchemaArchive } from './schema-archive.js';
import { SchemaBook } from './schema-book.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'inferflow-schemas-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const schema = (configHash: string, version = 3, name = 'a'): LogSchema => ({
  modelConfigId: 'shop/ranker',
  configHash,
  version,
  features: [logFeature(name, 'FP32'), logFeature('v', 'FP32Vector', 4)],
});

describe('SchemaArchive', () => {
  it('brings back older schemas after a restart; of a version the newest counts', async () => {
    let now = 1;
    const archive = new SchemaArchive({ directory, now: () => now++ });
    for (const each of [schema('h1', 3, 'old'), schema('h2', 3, 'new'), schema('h3', 4)]) archive.save(each);
    await archive.close();
    const book = new SchemaBook();
    const reopened = new SchemaArchive({ directory, now: () => now++ });
    reopened.restore(book);
    expect(book.byVersion('shop/ranker', 3)?.configHash).toBe('h2');
    expect(book.byHash('shop/ranker', 'h1')).toMatchObject({ version: 3, features: [{ name: 'old' }, { name: 'v', size: 4 }] });
    expect(book.newest('shop/ranker')?.configHash).toBe('h3');
    // Going back to an older configuration makes it the newest again.
    reopened.save(schema('h1', 3, 'old'));
    await reopened.close();
    const again = new SchemaBook();
    new SchemaArchive({ directory }).restore(again);
    expect(again.byVersion('shop/ranker', 3)?.configHash).toBe('h1');
  });

  it('keeps a bounded number, and passes over files that are damaged', async () => {
    let now = 1;
    const archive = new SchemaArchive({ directory, schemasPerModel: 2, now: () => now++ });
    for (const hash of ['a', 'b', 'c']) archive.save(schema(hash));
    await archive.close();
    const folder = join(directory, 'shop%2Franker');
    expect(readdirSync(folder).sort()).toEqual(['b.json', 'c.json']);
    writeFileSync(join(folder, 'd.json'), '{');
    const errors: Error[] = [];
    const book = new SchemaBook();
    new SchemaArchive({ directory, onError: (error) => errors.push(error) }).restore(book);
    expect(errors).toHaveLength(1);
    expect(book.byHash('shop/ranker', 'c')).toBeDefined();
    // They do not keep the others from being bounded.
    archive.save(schema('e'));
    await archive.close();
    expect(readdirSync(folder).sort()).toEqual(['c.json', 'e.json']);
  });

  it.each(['null', '[]', '{}', '{"model_config_id":"m","config_hash":"h","version":1,"newest_at":1,"data":[null]}'])(
    'passes over JSON that is no schema: %s',
    async (text) => {
      const archive = new SchemaArchive({ directory });
      archive.save(schema('h1'));
      await archive.close();
      writeFileSync(join(directory, 'other.json'), text);
      const errors: Error[] = [];
      const book = new SchemaBook();
      new SchemaArchive({ directory, onError: (error) => errors.push(error) }).restore(book);
      expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('other.json is no log schema')]);
      expect(book.byHash('shop/ranker', 'h1')).toBeDefined();
    },
  );
});
