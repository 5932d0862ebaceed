import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { FeatureComponentConfig } from '@inferflow/config';
import { DataType, encodeValue } from '@inferflow/matrix';
import { RetrieveQuerySchema, RetrieveResultSchema } from '@inferflow/proto';
import { describe } from 'vitest';
import { TestBench as AnyTestBench, createTestBackend, runComponent as runAnyComponent, type TestOptions } from '../testing/index.js';
import type { featureDefinition } from './feature-component.js';

/** A query, decoded. */
export type Query = { entityLabel: string; groups: { label: string; features: string[] }[]; keySchema: string[]; keys: string[][] };
/** A row of an answer. */
export type Row = { keys: string[]; columns: Uint8Array[] };

export function decodeQuery(message: Uint8Array): Query {
  const query = fromBinary(RetrieveQuerySchema, message);
  return {
    entityLabel: query.entityLabel,
    groups: query.featureGroups.map((group) => ({ label: group.label, features: group.featureLabels })),
    keySchema: query.keysSchema,
    keys: query.keys.map((key) => key.cols),
  };
}

/** An answer with the store's own schema; `change` may do anything to it. */
export function answerTo(
  query: Query,
  cell: (keys: string[], group: string, feature: string) => Uint8Array,
  change: (rows: Row[]) => Row[] = (rows) => rows,
) {
  let column = 0;
  const rows = query.keys.map((keys) => ({
    keys,
    columns: query.groups.flatMap((group) => group.features.map((feature) => cell(keys, group.label, feature))),
  }));
  return toBinary(
    RetrieveResultSchema,
    create(RetrieveResultSchema, {
      entityLabel: query.entityLabel,
      keysSchema: query.keySchema,
      featureSchemas: query.groups.map((group) => ({
        featureGroupLabel: group.label,
        features: group.features.map((label) => ({ label: label.split('@')[0] as string, columnIdx: column++ })),
      })),
      rows: change(rows),
    }),
  );
}

/** A component that fetches by the column `item`. */
export function configOf(options: {
  groups?: { label: string; type: DataType; features: string[] }[];
  keys?: { schema: string; column: string }[];
  composite?: boolean;
  cache?: Partial<FeatureComponentConfig['cache']>;
  batchSize?: number;
  deadlineMs?: number;
}): FeatureComponentConfig {
  const groups = options.groups ?? [{ label: 'fp32', type: DataType.FP32, features: ['a', 'b'] }];
  return {
    kind: 'feature',
    componentName: 'fs',
    onFailure: 'default',
    componentId: 'joined',
    compositeId: options.composite ?? false,
    keys: options.keys ?? [{ schema: 'id', column: 'item' }],
    entityLabel: 'item',
    groups: groups.map((group) => ({ label: group.label, dataType: group.type, dataTypeText: '', features: group.features })),
    columnPrefix: '',
    columnLabel: 'item',
    cache: { enabled: false, requested: false, ttlSeconds: 60, ownTtlSeconds: 0, staleIfErrorSeconds: 0, ...options.cache },
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize }),
    ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
    columns: groups.flatMap((group, index) =>
      group.features.map((feature) => ({
        name: `item:${group.label}:${feature.split('@')[0]}`,
        requestLabel: feature,
        group: index,
        dataType: feature.endsWith('@DataTypeFP16') ? DataType.FP16 : group.type,
        groupDataType: group.type,
      })),
    ),
    flattenResponseKeys: [],
  };
}

export const fp32 = (value: number) => encodeValue(DataType.FP32, value);
/** A different number for every key and feature. */
export const numberOf = (keys: string[], feature: string) =>
  keys.join('|').length * 100 + [...`${keys.join('|')}${feature}`].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
export const cellOf = (keys: string[], _group: string, feature: string) => fp32(numberOf(keys, feature));

/** Until the end of this turn of the event loop, when batches leave. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A store that answers by itself, and what it was asked. */
export function store(
  handler: (query: Query) => Uint8Array | Promise<Uint8Array>,
  options: { batchSize?: number; deadlineMs?: number } = {},
) {
  const queries: Query[] = [];
  const backend = createTestBackend((_path, message) => {
    const query = decodeQuery(message);
    queries.push(query);
    return handler(query);
  }, options);
  return { queries, backends: { featureStore: backend } };
}

/** What a suite gets that runs with either decoder of feature rows. */
export interface DecoderTools {
  readonly wasm: boolean;
  readonly runComponent: typeof runAnyComponent;
  readonly TestBench: new (definition: typeof featureDefinition, options: TestOptions) => AnyTestBench;
}

/** Runs a suite once with rows decoded in WebAssembly, once in TypeScript. */
export function describeBothDecoders(what: string, suite: (tools: DecoderTools) => void): void {
  describe.each([
    ['WebAssembly', true],
    ['TypeScript', false],
  ] as const)(`${what} in %s`, (_how, wasm) => {
    suite({
      wasm,
      runComponent: (definition, options) => runAnyComponent(definition, { wasm, ...options }),
      TestBench: class extends AnyTestBench {
        constructor(definition: typeof featureDefinition, options: TestOptions) {
          super(definition, { wasm, ...options });
        }
      },
    });
  });
}
