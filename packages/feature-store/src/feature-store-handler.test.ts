import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { RetrieveQuerySchema, RetrieveResultSchema } from '@inferflow/proto';
import type { LocalHandler } from '@inferflow/transport';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { createFeatureStoreHandler, RETRIEVE_FEATURES_PATH } from './feature-store-handler.js';
import { createMemoryFeatureStore } from './memory-feature-store.js';

const signal = () => new AbortController().signal;
let handler: LocalHandler;

beforeAll(async () => {
  const store = await createMemoryFeatureStore({
    schema: {
      entities: {
        film: {
          keys: ['film_id'],
          groups: {
            facts: { data_type: 'FP32', features: { year: -1, month: 0 } },
            labels: { data_type: 'String', features: { title: '', genre: 'Unknown' } },
            shape: { data_type: 'FP64Vector', vector_length: 2, features: ['style'] },
          },
        },
        visit: { keys: ['user_id', 'film_id'], groups: { counts: { data_type: 'Int64', features: ['views'] } } },
      },
    },
    sources: [
      {
        entity: 'film',
        rows: [
          { film_id: 1, year: 1998, month: 6, title: 'The Land Girls', style: [0.5, -1] },
          { film_id: '2', year: '2001', genre: 'Drama' },
          { film_id: 'é|x', title: 'é' },
        ],
      },
      {
        entity: 'visit',
        rows: [
          { user_id: 'a|b', film_id: 'c', views: 3n },
          { user_id: 'a', film_id: 'b|c', views: 4 },
        ],
      },
    ],
  });
  handler = createFeatureStoreHandler(store);
});

function query(entityLabel: string, keysSchema: string[], keys: string[][], groups: Record<string, string[]>): Uint8Array {
  return toBinary(
    RetrieveQuerySchema,
    create(RetrieveQuerySchema, {
      entityLabel,
      keysSchema,
      keys: keys.map((cols) => ({ cols })),
      featureGroups: Object.entries(groups).map(([label, featureLabels]) => ({ label, featureLabels })),
    }),
  );
}

function answer(message: Uint8Array) {
  return fromBinary(RetrieveResultSchema, handler(RETRIEVE_FEATURES_PATH, message, {}, signal) as Uint8Array);
}

const floats = (bytes: Uint8Array) => [...new Float32Array(bytes.slice().buffer)];

describe('createFeatureStoreHandler', () => {
  it('answers one row per key in their order, columns as asked, defaults where nothing is known', () => {
    const result = answer(query('film', ['film_id'], [['2'], ['nobody'], ['1'], ['2']], { labels: ['genre'], facts: ['month', 'year'] }));
    expect(result.rows.map((row) => row.keys)).toEqual([['2'], ['nobody'], ['1'], ['2']]);
    expect(result.rows.map((row) => new TextDecoder().decode(row.columns[0]))).toEqual(['Drama', 'Unknown', 'Unknown', 'Drama']);
    expect(result.rows.map((row) => [...floats(row.columns[1]!), ...floats(row.columns[2]!)])).toEqual([
      [0, 2001],
      [0, -1],
      [6, 1998],
      [0, 2001],
    ]);
    expect(
      result.featureSchemas.map((schema) => [
        schema.featureGroupLabel,
        schema.features.map((feature) => [feature.label, feature.columnIdx]),
      ]),
    ).toEqual([
      ['labels', [['genre', 0]]],
      [
        'facts',
        [
          ['month', 1],
          ['year', 2],
        ],
      ],
    ]);
  });

  it('narrows floats on request, the default included', () => {
    const result = answer(
      query('film', ['film_id'], [['1'], ['nobody']], { facts: ['year@DataTypeFP16', 'year'], shape: ['style@DataTypeFP32Vector'] }),
    );
    expect(result.featureSchemas[0]!.features.map((feature) => feature.label)).toEqual(['year', 'year']);
    expect(result.rows.map((row) => row.columns.map((column) => column.length))).toEqual([
      [2, 4, 8],
      [2, 4, 8],
    ]);
    expect([...result.rows[0]!.columns[0]!]).toEqual([0xce, 0x67]);
    expect(floats(result.rows[0]!.columns[2]!)).toEqual([0.5, -1]);
  });

  it('fills every occurrence of a feature that is asked for twice', () => {
    const result = answer(query('film', ['film_id'], [['1']], { facts: ['year', 'year'] }));
    expect(result.rows[0]!.columns.map(floats)).toEqual([[1998], [1998]]);
  });

  it('takes the parts of a key in the order of the query and never mixes two keys up', () => {
    const views = (keysSchema: string[], key: string[]) =>
      new DataView(answer(query('visit', keysSchema, [key], { counts: ['views'] })).rows[0]!.columns[0]!.slice().buffer).getBigInt64(
        0,
        true,
      );
    expect(views(['user_id', 'film_id'], ['a|b', 'c'])).toBe(3n);
    expect(views(['user_id', 'film_id'], ['a', 'b|c'])).toBe(4n);
    expect(views(['film_id', 'user_id'], ['c', 'a|b'])).toBe(3n);
    expect(views(['user_id', 'film_id'], ['a|b|c', ''])).toBe(0n);
    expect(views(['user_id', 'film_id'], ['a|b', 'c', 'surplus'])).toBe(3n);
  });

  it('refuses keys that are not the entity’s', () => {
    expect(() => answer(query('film', ['id'], [['1']], { facts: ['year'] }))).toThrow(
      expect.objectContaining({ grpcCode: 3, message: 'keys_schema [id] does not name the keys of entity film: expected film_id' }),
    );
    expect(() => answer(query('visit', ['user_id', 'film_id'], [['a', 'b'], ['a']], { counts: ['views'] }))).toThrow(
      'keys[1] has 1 cols, expected 2',
    );
  });

  it('answers bytes that protobuf-es would have written, for any query', () => {
    const key = fc.oneof(fc.constantFrom('1', '2', 'é|x', ''), fc.string());
    const label = fc.constantFrom(
      'facts:year',
      'facts:month',
      'facts:year@DataTypeFP8E4M3',
      'labels:title',
      'labels:genre',
      'shape:style',
      'shape:style@DataTypeFP16Vector',
    );
    fc.assert(
      fc.property(fc.array(key, { maxLength: 40 }), fc.array(label, { maxLength: 8 }), (keys, labels) => {
        const groups: Record<string, string[]> = {};
        for (const [group, feature] of labels.map((text) => text.split(':') as [string, string])) {
          groups[group] ??= [];
          groups[group].push(feature);
        }
        const bytes = handler(
          RETRIEVE_FEATURES_PATH,
          query(
            'film',
            ['film_id'],
            keys.map((part) => [part]),
            groups,
          ),
          {},
          signal,
        ) as Uint8Array;
        const result = fromBinary(RetrieveResultSchema, bytes);
        expect(Buffer.from(toBinary(RetrieveResultSchema, result)).equals(bytes)).toBe(true);
        expect(result.rows.map((row) => row.keys[0])).toEqual(keys);
        expect(result.rows.every((row) => row.columns.length === labels.length)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('finds the head of a query wherever its fields stand, and drops fields it does not know', () => {
    const plain = query('film', ['film_id'], [['1'], ['2']], { facts: ['year'] });
    const writer = new BinaryWriter();
    writer
      .tag(4, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string('1')
      .tag(2, WireType.LengthDelimited)
      .string('no column')
      .join();
    writer.tag(9, WireType.Varint).uint32(7);
    writer.tag(4, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string('2').join();
    writer.raw(query('film', ['film_id'], [], { facts: ['year'] }));
    expect(answer(writer.finish())).toEqual(answer(plain));
  });

  // protobuf-es is laxer: it takes malformed UTF-8, and fields that reach past the end of their message.
  it('refuses everything that protobuf-es refuses, and never crashes', () => {
    const valid = query('film', ['film_id'], [['1'], ['é|x']], { facts: ['year'], labels: ['title'] });
    let refused = 0;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 3 }), fc.nat(valid.length), (edits, cut) => {
        const message = valid.slice(0, cut);
        for (const [at, value] of edits) if (at < cut) message[at] = value;
        const isQuery = succeeds(() => fromBinary(RetrieveQuerySchema, message));
        let grpcCode = 0;
        try {
          handler(RETRIEVE_FEATURES_PATH, message, {}, signal);
        } catch (error) {
          grpcCode = (error as { grpcCode: number }).grpcCode;
          refused++;
        }
        expect(isQuery ? [0, 2, 3, 13] : [2, 3, 13]).toContain(grpcCode);
      }),
      { numRuns: 5000, examples: [[[[47, 25]], 56]] },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('answers the two methods only', () => {
    expect(() => handler('/retrieve.FeatureService/Other', new Uint8Array(0), {}, signal)).toThrow(
      expect.objectContaining({ grpcCode: 12 }),
    );
  });
});

function succeeds(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
