import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataType, dataTypeInfo, dataTypes, decodeValue } from '@inferflow/matrix';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCell } from './encode-cell.js';
import { cellEnd, cellStart } from './feature-column.js';
import { createMemoryFeatureStore, type FeatureStore } from './memory-feature-store.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'feature-store-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

function storedValue(store: FeatureStore, entity: string, key: string, group: string, feature: string): unknown {
  const table = store.tables.get(entity)!;
  const column = table.column(group, feature)!;
  const row = table.rowOf(key);
  return decodeValue(table.definition.groups.get(group)!.dataType, column.bytes.subarray(cellStart(column, row), cellEnd(column, row)));
}

// Two rows of id (INT32), rating (DOUBLE), votes (INT64) and title (text).
const PARQUET =
  'UEFSMRUGFRQVGFwVBBUAFQQVABUEFQAAAAMDCBwBAAAAAgAAABUGFSQVJFwVBBUAFQQVABUEFQAAAAMDEAAzBQEkC0DNzMzMzMweQBUGFSQVKFwVBBUAFQQVABUEFQAAAAMDEDylAAAAAAAAAB07AAAAAAAAFQYVLhUyXBUEFQAVBBUAFQQVAAAAAwMVUAQAAABTbGFtCQAAAEZvbGxvd2luZxUEGVxIBHJvb3QVCAAVAiUCGAJpZAAVCiUCGAZyYXRpbmcAFQQlAhgFdm90ZXMAFQwlAhgFdGl0bGUlAAAWBBkcGUwmCBwVAhkVABkYAmlkFQIWBBY+FkImCDw2ACgEAgAAABgEAQAAAAAZHBUGFQAVAgAAACZKHBUKGRUAGRgGcmF0aW5nFQIWBBZOFk4mSjw2ACgIzczMzMzMHkAYCDMzMzMzMwtANgAAGRwVBhUAFQIAAAAmmAEcFQQZFQAZGAV2b3RlcxUCFgQWThZSJpgBPDYAKAgdOwAAAAAAABgIpQAAAAAAAAAAGRwVBhUAFQIAAAAm6gEcFQwZFQAZGAV0aXRsZRUCFgQWWBZcJuoBPDYAKARTbGFtGAlGb2xsb3dpbmcAGRwVBhUAFQIAAAAWsgIWBDa+AgAoCWh5cGFycXVldBlMHAAAHAAAHAAAHAAAAFMBAABQQVIx';

const SCHEMA = `
entities:
  film:
    keys: [film_id]
    groups:
      facts: { data_type: DataTypeFP32, default: -1, features: [year, votes] }
      labels:
        data_type: String
        features: { title: '', genre: Unknown }
    sources:
      - file: films.csv
        columns: { film_id: id, 'labels:title': name }
`;

describe('createMemoryFeatureStore', () => {
  it('loads a schema and the files it names', async () => {
    await file('films.csv', 'id,year,votes,name,genre,unused\n1,1998,,"Land, ""Girls""",Drama,x\r\n\n2,2001,7,"two\nlines",,\n');
    const store = await createMemoryFeatureStore({ schema: await file('store.yaml', SCHEMA) });
    expect(store.rowCount('film')).toBe(2);
    expect(storedValue(store, 'film', '1', 'labels', 'title')).toBe('Land, "Girls"');
    expect(storedValue(store, 'film', '1', 'facts', 'votes')).toBe(-1);
    expect(storedValue(store, 'film', '2', 'labels', 'title')).toBe('two\nlines');
    expect(storedValue(store, 'film', '2', 'labels', 'genre')).toBe('Unknown');
    expect(storedValue(store, 'film', 'nobody', 'facts', 'year')).toBe(-1);
    expect(store.rowCount('actor')).toBeUndefined();
  });

  it('merges sources of any format by key, each filling what it has', async () => {
    await file('films.csv', 'id,year,votes,name,genre\n1,1998,5,First,Drama\n');
    await file('votes.json', '[{"film_id":1,"votes":9},{"film_id":"3","votes":4}]');
    await file('genres.jsonl', '{"film_id":3,"genre":"Western"}\n\n{"film_id":4,"genre":null}\n');
    const store = await createMemoryFeatureStore({
      schema: await file('store.yaml', SCHEMA),
      sources: [
        { entity: 'film', file: 'votes.json' },
        { entity: 'film', file: 'genres.jsonl' },
      ],
    });
    expect(store.rowCount('film')).toBe(3);
    expect(storedValue(store, 'film', '1', 'facts', 'votes')).toBe(9);
    expect(storedValue(store, 'film', '1', 'labels', 'genre')).toBe('Drama');
    expect(storedValue(store, 'film', '3', 'labels', 'genre')).toBe('Western');
    expect(storedValue(store, 'film', '4', 'labels', 'genre')).toBe('Unknown');
  });

  it('fills only the groups that a source is for', async () => {
    const groups = { codes: { data_type: 'FP32', features: ['genre'] }, labels: { data_type: 'String', features: ['genre'] } };
    await file('codes.csv', 'id,genre\n1,7\n');
    await file('names.csv', 'id,genre\n1,Drama\n');
    const sources = [
      { file: 'codes.csv', groups: ['codes'] },
      { file: 'names.csv', groups: ['labels'] },
    ];
    const store = await createMemoryFeatureStore({ schema: { entities: { film: { keys: ['id'], groups, sources } } }, directory: folder });
    expect(storedValue(store, 'film', '1', 'codes', 'genre')).toBe(7);
    expect(storedValue(store, 'film', '1', 'labels', 'genre')).toBe('Drama');
    await expect(
      createMemoryFeatureStore({
        schema: { entities: { film: { keys: ['id'], groups, sources: [{ file: 'codes.csv', groups: ['code'] }] } } },
        directory: folder,
      }),
    ).rejects.toThrow("there is no group 'code'");
  });

  it('reads Parquet', async () => {
    const bytes = Buffer.from(PARQUET, 'base64');
    await file('films.parquet', bytes);
    const store = await createMemoryFeatureStore({
      schema: {
        entities: {
          film: {
            keys: ['id'],
            groups: {
              facts: { data_type: 'FP64', features: ['rating'] },
              counts: { data_type: 'Int64', features: ['votes'] },
              labels: { data_type: 'String', features: ['title'] },
            },
          },
        },
      },
      sources: [{ entity: 'film', file: 'films.parquet' }],
      directory: folder,
    });
    expect(store.rowCount('film')).toBe(2);
    expect(storedValue(store, 'film', '1', 'labels', 'title')).toBe('Slam');
    expect(storedValue(store, 'film', '1', 'counts', 'votes')).toBe(165n);
    expect(storedValue(store, 'film', '2', 'facts', 'rating')).toBe(7.7);
  });

  it('tells every wrong value with file, line and column', async () => {
    const path = await file('films.csv', 'id,year,votes,name,genre\n1,abc,5,First,Drama\n,1999,5,x,y\n1,2000,1,z,z\n2,1e99,2,z,z\n');
    const attempt = createMemoryFeatureStore({ schema: await file('store.yaml', SCHEMA) });
    await expect(attempt).rejects.toMatchObject({
      code: 'INFERFLOW_FEATURE_STORE_SOURCE_INVALID',
      problems: [
        { file: path, line: 2, column: 'year', message: 'expected FP32, a number, found text' },
        { file: path, line: 3, column: 'id', message: 'expected a key: text or an integer, not empty' },
        { file: path, line: 4, column: 'id', message: 'this key was already there in an earlier row of the same source' },
        { file: path, line: 5, column: 'year', message: 'expected FP32, found a number beyond its largest value' },
      ],
    });
    await expect(attempt).rejects.toThrow(`${path}, line 2, column year: expected FP32`);
  });

  it.each([
    ['id,year,id\n', "line 1: column 'id' is there twice"],
    ['id,year\n1\n', 'line 2: expected 2 cells'],
    ['id,"year\n1', 'line 1: a quoted cell is never closed'],
    ['id,"ye"ar\n1,2', 'line 1: expected a comma'],
    ['', 'line 1: the file is empty'],
    ['key,year,votes,name,genre\n', 'column id: this key column is not in the source; it has key, year'],
    ['id,year,name,genre\n1,2,3,4\n', "no source has a column for feature 'facts:votes'"],
  ])('refuses the file %j', async (content, message) => {
    await file('films.csv', content);
    const attempt = createMemoryFeatureStore({ schema: await file('store.yaml', SCHEMA) });
    await expect(attempt).rejects.toThrow(message);
  });

  it.each([
    ['a.json', '{"film_id":1}', 'expected a list of objects'],
    ['a.json', '[1]', 'line 1: expected an object'],
    ['a.json', '[', 'a.json:'],
    ['a.jsonl', '{"film_id":1}\n{', 'line 2:'],
    ['a.parquet', 'PAR', 'a.parquet:'],
    ['a.txt', '', 'expected a file that ends in'],
  ])('refuses %s with %j', async (name, content, message) => {
    await file('films.csv', 'id,year,votes,name,genre\n');
    await file(name, content);
    await expect(
      createMemoryFeatureStore({ schema: await file('store.yaml', SCHEMA), sources: [{ entity: 'film', file: name }] }),
    ).rejects.toThrow(message);
  });

  it('names a file that is not there', async () => {
    await expect(createMemoryFeatureStore({ schema: join(folder, 'absent.yaml') })).rejects.toMatchObject({
      code: 'INFERFLOW_FEATURE_STORE_SCHEMA_INVALID',
    });
    await expect(
      createMemoryFeatureStore({ schema: await file('store.yaml', SCHEMA), sources: [{ entity: 'film', file: 'absent.csv' }] }),
    ).rejects.toMatchObject({
      code: 'INFERFLOW_FEATURE_STORE_SOURCE_UNREADABLE',
    });
  });

  it('tells every problem of a schema at once', async () => {
    const groups = {
      a: { data_type: 'Float33', features: ['x'] },
      b: { data_type: 'Int8', features: { y: 300, 'z@w': 1 } },
      c: { data_type: 'FP32', vector_length: 2, features: ['q'] },
    };
    const attempt = createMemoryFeatureStore({ schema: { entities: { e: { keys: ['k', 'k'], groups } } } });
    await expect(attempt).rejects.toMatchObject({
      code: 'INFERFLOW_FEATURE_STORE_SCHEMA_INVALID',
      problems: [
        { column: 'entities.e.keys' },
        { column: 'entities.e.groups.a.data_type' },
        {
          column: 'entities.e.groups.b.features.y',
          message: 'default: expected Int8, an integer from -128 to 127, found one outside that range',
        },
        { column: 'entities.e.groups.b.features' },
        { column: 'entities.e.groups.c.vector_length' },
      ],
    });
    await expect(createMemoryFeatureStore({ schema: { entities: { e: { keys: [] } } } })).rejects.toThrow('entities.e.groups');
  });
});

describe('encodeCell', () => {
  const samples: Record<string, readonly [raw: unknown, value: unknown]> = {
    float: [1.5, 1.5],
    int: ['-7', -7],
    uint: [7, 7],
    bool: ['TRUE', true],
    text: ['é', 'é'],
  };

  it.each(dataTypes.slice(1).map((info) => info.name))('%s: what goes in comes out', (name) => {
    const info = dataTypes.find((candidate) => candidate.name === name)!;
    const [raw, value] = samples[info.family]!;
    const isWide = info.elementType === DataType.Int64 || info.elementType === DataType.Uint64;
    const expected = isWide ? BigInt(value as number) : value;
    const encoded = encodeCell(info.dataType, undefined, info.isVector ? [raw, raw] : raw);
    expect(encoded).toBeInstanceOf(Uint8Array);
    expect(decodeValue(info.dataType, encoded as Uint8Array)).toEqual(info.isVector ? [expected, expected] : expected);
    if (info.isVector) expect(encodeCell(info.dataType, 2, `${raw}:${raw}`)).toEqual(encoded);
    if (info.isVector && dataTypeInfo(info.dataType).family !== 'bool')
      expect(encodeCell(info.dataType, 2, JSON.stringify([raw, raw]))).toEqual(encoded);
  });

  it.each([
    [DataType.Int8, 128, 'from -128 to 127'],
    [DataType.Uint64, '-1', 'from 0 to 18446744073709551615'],
    [DataType.Int32, 1.5, 'found a fraction'],
    [DataType.Int64, 2 ** 53, 'found an integer'],
    [DataType.FP32, '0x10', 'found text'],
    [DataType.FP32, '1_0', 'found text'],
    [DataType.FP16, 65520, 'beyond its largest value'],
    [DataType.FP8E4M3, '500', 'beyond its largest value'],
    [DataType.Bool, 'yes', 'expected true, false, 1 or 0'],
    [DataType.String, {}, 'expected text, found an object'],
    [DataType.FP32Vector, 3, 'expected a vector, found an integer'],
    [DataType.FP32Vector, '1:x', 'element 1: expected FP32'],
    [DataType.FP32Vector, '[1', 'expected a JSON array'],
  ])('type %i refuses %j', (type, raw, message) => {
    expect(encodeCell(type, undefined, raw)).toContain(message);
  });

  it('keeps infinities and checks the length of vectors', () => {
    expect(encodeCell(DataType.FP16, undefined, '-inf')).toEqual(Uint8Array.of(0, 0xfc));
    expect(encodeCell(DataType.FP32Vector, 3, [1, 2])).toBe('expected 3 elements, found 2');
    expect(encodeCell(DataType.StringVector, undefined, ['ab', 'c'])).toEqual(Uint8Array.of(2, 0, 1, 0, 97, 98, 99));
  });
});
