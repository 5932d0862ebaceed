import { readFileSync } from 'node:fs';
import { Block, CellStatus, createBlockShape, DataType, Layout, Matrix, MemoryPool, sourceOf } from '@inferflow/matrix';
import type { DecodedCell } from '../decode/decoded-cell.js';
import type { LoggedRecord } from '../logged-record.js';
import { type LogSchema, logFeature } from '../schema/log-schema.js';
import type { LoggedModel } from '../schema/logged-model.js';

/** A cell as the vectors write it. */
export type VectorCell = null | boolean | string | { i?: string; f?: string; b?: string; o?: Record<string, VectorCell> } | VectorCell[];

/** One recorded message; see the README of the vectors. */
export interface LogVector {
  readonly name: string;
  readonly schema: readonly { readonly feature_name: string; readonly feature_type: string }[];
  readonly message: string;
  readonly kafka_value?: string;
  readonly force_format?: string;
  readonly decompress?: boolean;
  readonly matrix?: {
    readonly rows: readonly { readonly text: Record<string, string>; readonly bytes: Record<string, string> }[];
    readonly batch_size: number;
    readonly schema_version: number;
    readonly compression_flag: boolean;
    readonly clp_id: string;
    readonly row_offset: number;
  };
  readonly expected: {
    readonly metadata?: Record<string, VectorCell>;
    readonly metadata_error?: string;
    readonly format?: string;
    readonly entity_id?: readonly string[];
    readonly rows?: readonly VectorCell[][];
    readonly warnings?: number;
    readonly error?: string;
  };
}

/** The vectors of a file. */
export function readVectors(file: 'written-by-go' | 'constructed'): readonly LogVector[] {
  return JSON.parse(readFileSync(new URL(`../../../../conformance/logs/${file}.json`, import.meta.url), 'utf8')) as LogVector[];
}

/** Options of {@link recordOf}. */
export interface RecordOptions {
  readonly features: readonly { readonly name: string; readonly type: string }[];
  /** Per row: text and byte values by column; absent or empty = no value. */
  readonly rows: readonly { readonly text: Readonly<Record<string, string>>; readonly bytes: Readonly<Record<string, Uint8Array>> }[];
  readonly version?: number;
  readonly compat?: boolean;
  readonly batchRows?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly modelConfigId?: string;
  /** @default e1, e2, … */
  readonly ids?: readonly string[];
  readonly trackingId?: string;
  readonly userId?: string;
}

/** A finished request with the given cells; entity ids are e1, e2, … Counts how often it was released. */
export function recordOf(options: RecordOptions): {
  readonly record: LoggedRecord;
  readonly schema: LogSchema;
  readonly released: () => number;
} {
  const pool = new MemoryPool();
  const features = options.features.map(({ name, type }) => logFeature(name, type));
  const typed = features.filter(({ name }) => options.rows.some((row) => row.bytes[name] !== undefined));
  const texts = features.filter(({ name }) => options.rows.some((row) => row.text[name] !== undefined));
  const textShape = createBlockShape([
    { name: '#id', type: DataType.String },
    ...texts.map(({ name }) => ({ name, type: DataType.String })),
  ]);
  const byteShape = createBlockShape(typed.map(({ name, type }) => ({ name, type: type.dataType })));
  const layout = new Layout([textShape, byteShape]);
  const matrix = new Matrix(layout, options.rows.length, pool);
  const textBlock = new Block().open(pool, textShape, options.rows.length);
  const byteBlock = new Block().open(pool, byteShape, options.rows.length);
  matrix.setBlock(0, textBlock);
  matrix.setBlock(1, byteBlock);
  const encoder = new TextEncoder();
  const put = (block: Block, row: number, slot: number, bytes: Uint8Array | undefined): void => {
    if (bytes === undefined || bytes.length === 0) block.markCell(row, slot, CellStatus.missing);
    else block.setBytes(row, slot, bytes, 0, bytes.length, CellStatus.fresh);
  };
  options.rows.forEach((row, index) => {
    put(textBlock, index, 0, encoder.encode(options.ids?.[index] ?? `e${index + 1}`));
    texts.forEach(({ name }, slot) => {
      put(textBlock, index, slot + 1, encoder.encode(row.text[name] ?? ''));
    });
    typed.forEach(({ name }, slot) => {
      put(byteBlock, index, slot, row.bytes[name]);
    });
  });
  const modelConfigId = options.modelConfigId ?? 'm1';
  const config: LoggedModel = {
    modelConfigId,
    hash: 'h1',
    cache: { version: options.version ?? 3 },
    components: [],
    response: { features: ['#id'], idColumn: '#id', loggingPercent: 100, logFeatures: false, logBatchSize: options.batchRows ?? 0 },
  };
  let released = 0;
  const record: LoggedRecord = {
    method: 'InferPointWise',
    trackingId: options.trackingId ?? 't1',
    userId: options.userId ?? 'u1',
    tenantId: '',
    rowCount: options.rows.length,
    durationMs: 1,
    faultyRows: 0,
    failedComponents: 0,
    header: (name) => options.headers?.[name],
    isSampled: () => true,
    plan: { modelConfigId, config, configHash: 'h1', compat: options.compat ?? false },
    startedAtMs: 1_700_000_000_000,
    matrix,
    slate: null,
    target: (name) => {
      const inBytes = layout.ref(name, 1);
      const inTexts = layout.ref(name, 0);
      if (inBytes >= 0) return sourceOf(inBytes, inTexts);
      return inTexts >= 0 ? sourceOf(inTexts) : null;
    },
    slateColumn: () => null,
    release: () => {
      released++;
    },
  };
  const schema: LogSchema = { modelConfigId, configHash: 'h1', version: options.version ?? 3, features };
  return { record, schema, released: () => released };
}

/** The request that a recorded message was written from. */
export function recordFromVector(vector: LogVector, compat: boolean): ReturnType<typeof recordOf> {
  const matrix = vector.matrix as NonNullable<LogVector['matrix']>;
  return recordOf({
    features: vector.schema.map(({ feature_name, feature_type }) => ({ name: feature_name, type: feature_type })),
    rows: matrix.rows.map((row) => ({
      text: row.text,
      bytes: Object.fromEntries(Object.entries(row.bytes).map(([name, value]) => [name, new Uint8Array(Buffer.from(value, 'base64'))])),
    })),
    version: matrix.schema_version,
    compat,
    batchRows: matrix.batch_size,
    headers: matrix.clp_id === '' ? {} : { clp_id: matrix.clp_id },
    // The tenth id is not "e10".
    ids: matrix.rows.map((_, index) => `e${String.fromCharCode(0x31 + index)}`),
  });
}

/** A vector's cell as our decoder gives it. */
export function vectorCell(cell: VectorCell): DecodedCell {
  if (cell === null || typeof cell !== 'object') return cell;
  if (Array.isArray(cell)) return cell.map(vectorCell);
  if (cell.i !== undefined) return Number.isSafeInteger(Number(cell.i)) ? Number(cell.i) : BigInt(cell.i);
  if (cell.f !== undefined) return Number(cell.f);
  if (cell.b !== undefined) return `bytes:${cell.b}`;
  return Object.fromEntries(Object.entries(cell.o ?? {}).map(([name, value]) => [name, vectorCell(value)]));
}
