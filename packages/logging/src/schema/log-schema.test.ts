import { DataType } from '@inferflow/matrix';
import { describe, expect, it } from 'vitest';
import { buildLogSchema, recordVersion } from './log-schema.js';
import { parseLogType } from './log-type.js';
import type { LoggedModel } from './logged-model.js';
import { SchemaBook, schemaAnswer } from './schema-book.js';

const model: LoggedModel = {
  modelConfigId: 'm',
  hash: 'h1',
  cache: { version: 3 },
  components: [
    {
      kind: 'predator',
      inputs: [{ features: ['it:fp32:a', 'given'], shape: [2] }],
      outputs: [
        {
          dataTypeText: 'FP32',
          scores: [
            { name: 's', dims: [1] },
            { name: 'e', dims: [-1, 4] },
            { name: 'g', dims: [2, 3] },
            { name: 'p', dims: [] },
          ],
        },
      ],
    },
    { kind: 'numerix', scoreColumn: 'fin', dataTypeText: 'DataTypeFP32', variables: [{ column: 's' }, { column: 'ctx' }] },
    {
      kind: 'feature',
      groups: [{ dataTypeText: 'DataTypeFP32' }, { dataTypeText: 'String' }],
      columns: [
        { name: 'it:fp32:a', group: 0, dataType: DataType.FP16, groupDataType: DataType.FP32 },
        { name: 'it:text:t', group: 1, dataType: DataType.String, groupDataType: DataType.String },
        { name: 'it:fp32:a', group: 0, dataType: DataType.FP32, groupDataType: DataType.FP32 },
      ],
    },
  ],
  response: { features: ['item', 's', 'it:text:t'], idColumn: 'item', loggingPercent: 100, logFeatures: false, logBatchSize: 0 },
};

const list = (changed: LoggedModel): readonly (readonly [string, string, number])[] =>
  buildLogSchema(changed).features.map(({ name, typeText, size }) => [name, typeText, size] as const);

describe('buildLogSchema', () => {
  it('lists fetched features, expression scores, model scores, expression inputs, model inputs, each name once', () => {
    expect(list(model)).toEqual([
      ['it:fp32:a', 'DataTypeFP32', 1],
      ['it:text:t', 'String', 1],
      ['fin', 'DataTypeFP32', 1],
      ['s', 'FP32', 1],
      ['e', 'FP32Vector', 4],
      ['g', 'FP32Vector', 2],
      ['p', 'FP32', 1],
      ['ctx', 'String', 1],
      ['given', 'String', 2],
    ]);
  });

  it('selects the response’s columns or the named ones, unknown ones as text', () => {
    expect(list({ ...model, response: { ...model.response, logFeatures: true } })).toEqual([
      ['item', 'String', 1],
      ['s', 'FP32', 1],
      ['it:text:t', 'String', 1],
    ]);
    expect(list({ ...model, response: { ...model.response, logFeatures: ['fin', 'other'] } })).toEqual([
      ['fin', 'DataTypeFP32', 1],
      ['other', 'String', 1],
    ]);
  });
});

describe('SchemaBook', () => {
  it('finds schemas by hash, and by version the newest with it', () => {
    const book = new SchemaBook();
    const first = book.add(model);
    const second = book.add({ ...model, hash: 'h2' });
    book.add({ ...model, hash: 'h3', cache: { version: 4 } });
    expect(book.byHash('m', 'h1')).toBe(first);
    expect(book.byVersion('m', 3)).toBe(second);
    expect(book.add(model)).toBe(first);
    expect(book.byVersion('m', 3)).toBe(first);
    expect(book.byVersion('m', 9)).toBeUndefined();
    expect(book.byVersion('x', 3)).toBeUndefined();
    expect(schemaAnswer(first).data[1]).toEqual({ feature_name: 'it:text:t', feature_type: 'String', feature_size: 1 });
  });

  it('finds a version as the record’s four bits hold it', () => {
    const book = new SchemaBook();
    const wide = book.add({ ...model, cache: { version: 18 } });
    expect(recordVersion(18)).toBe(2);
    expect(book.byVersion('m', 2)).toBe(wide);
    expect(recordVersion(0)).toBe(1);
  });

  it('forgets the oldest beyond its limit', () => {
    const book = new SchemaBook({ schemasPerModel: 2 });
    for (const hash of ['a', 'b', 'c']) book.add({ ...model, hash });
    expect(book.byHash('m', 'a')).toBeUndefined();
    expect(book.byHash('m', 'b')).toBeDefined();
  });
});

describe('parseLogType', () => {
  it('knows every spelling that readers know', () => {
    for (const text of ['FP32', 'DataTypeFP32', 'fp32', 'FLOAT', 'data_type_fp32', 'float32'])
      expect(parseLogType(text)).toMatchObject({ dataType: DataType.FP32, width: 4 });
    expect(parseLogType('INT64').width).toBe(8);
    expect(parseLogType('DataTypeFP16Vector')).toMatchObject({ dataType: DataType.FP16Vector, isVector: true, width: 0 });
    expect(parseLogType('BYTES')).toMatchObject({ isBytes: true, width: 0 });
    expect(parseLogType('BF16').width).toBe(-1);
  });
});
