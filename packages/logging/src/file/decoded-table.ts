import { open } from 'node:fs/promises';
import { DataType, dataTypeInfo } from '@inferflow/matrix';
import type * as Arrow from 'apache-arrow';
import type { SchemaElement } from 'hyparquet';
import type { DecodedLog } from '../decode/decode-log.js';
import { missingLibrary } from '../errors.js';
import type { LogFeature } from '../schema/log-schema.js';
import { loadZstd } from '../zstd.js';
import { columnElements, decodedValue } from './typed-column.js';

/** A file of decoded records: one typed, nullable column per feature. */
export interface DecodedTable {
  append(log: DecodedLog, createdAtMs: number | undefined): void;
  /** Writes the rest; the file is not readable before. */
  close(): Promise<void>;
}

interface TableBody {
  write(columns: readonly unknown[][]): void;
  close(): Promise<void>;
}

const groupRows = 10_000;
/** The last moment that a date can be. */
const latestMs = 8.64e15;
const names = ['_model_config_id', '_tracking_id', '_entity_id', '_user_id', '_parent_entity', '_logged_at'] as const;

/**
 * Opens a Parquet file or an Arrow IPC file for records with these features. Memory is bounded by a group of 10 000 rows.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING; file system errors
 */
export async function openDecodedTable(format: 'parquet' | 'arrow', path: string, features: readonly LogFeature[]): Promise<DecodedTable> {
  const body = format === 'parquet' ? await parquetBody(path, features) : await arrowBody(path, features);
  let columns = emptyColumns(features);
  let rows = 0;
  const flush = (): void => {
    if (rows > 0) body.write(columns);
    columns = emptyColumns(features);
    rows = 0;
  };
  return {
    append(log, createdAtMs) {
      for (const [row, cells] of log.rows.entries()) {
        // A damaged record may name any time.
        const time = createdAtMs === undefined || !(Math.abs(createdAtMs) <= latestMs) ? null : new Date(createdAtMs);
        const head = [log.modelConfigId, log.trackingId, log.entityIds[row] ?? '', log.userId, log.parentEntity[0] ?? null, time];
        for (const [index, value] of head.entries()) columns[index]?.push(value);
        for (const [index, { type }] of features.entries()) columns[names.length + index]?.push(decodedValue(type, cells[index] ?? null));
        if (++rows === groupRows) flush();
      }
    },
    async close() {
      flush();
      await body.close();
    },
  };
}

function emptyColumns(features: readonly LogFeature[]): unknown[][] {
  return Array.from({ length: names.length + features.length }, () => []);
}

async function parquetBody(path: string, features: readonly LogFeature[]): Promise<TableBody> {
  let library: typeof import('hyparquet-writer');
  try {
    library = await import('hyparquet-writer');
  } catch (error) {
    throw missingLibrary('hyparquet-writer', 'writing Parquet', error);
  }
  const zstd = await loadZstd().catch(() => null);
  const text = (name: string): SchemaElement => ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' });
  const time: SchemaElement = { name: '_logged_at', type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', repetition_type: 'OPTIONAL' };
  const own = names.map((name) => (name === '_logged_at' ? time : text(name)));
  const columnNames = [...names, ...features.map(({ name }) => name)];
  const writer = new library.ParquetWriter({
    writer: library.fileWriter(path),
    schema: [{ name: 'root', num_children: columnNames.length }, ...own, ...features.flatMap(columnElements)],
    ...(zstd === null
      ? { codec: 'UNCOMPRESSED' as const }
      : { codec: 'ZSTD' as const, compressors: { ZSTD: (bytes) => zstd.compress(bytes) } }),
  });
  return {
    write(columns) {
      writer.write({ columnData: columnNames.map((name, index) => ({ name, data: columns[index] as never })), rowGroupSize: groupRows });
    },
    close: async () => writer.finish(),
  };
}

async function arrowBody(path: string, features: readonly LogFeature[]): Promise<TableBody> {
  let arrow: typeof Arrow;
  try {
    arrow = await import('apache-arrow');
  } catch (error) {
    throw missingLibrary('apache-arrow', 'writing Arrow', error);
  }
  const text = (name: string): Arrow.Field => new arrow.Field(name, new arrow.Utf8(), true);
  const time = new arrow.Field('_logged_at', new arrow.TimestampMillisecond(), true);
  const fields = [
    ...names.map((name) => (name === '_logged_at' ? time : text(name))),
    ...features.map(({ name, type }) => {
      const primitive = arrowType(arrow, dataTypeInfo(type.dataType).elementType);
      return new arrow.Field(name, type.isVector ? new arrow.List(new arrow.Field('element', primitive, true)) : primitive, true);
    }),
  ];
  const schema = new arrow.Schema(fields);
  const writer = new arrow.RecordBatchFileWriter();
  const file = await open(path, 'w');
  const written = (async () => {
    try {
      for await (const chunk of writer) await file.appendFile(chunk);
    } finally {
      await file.close();
    }
  })();
  // Told by close; until then nobody waits for it.
  written.catch(() => {});
  writer.reset(undefined, schema);
  return {
    write(columns) {
      const data = fields.map((field, index) => arrow.vectorFromArray(columns[index] as never, field.type).data[0] as Arrow.Data);
      const struct = arrow.makeData({ type: new arrow.Struct(fields), length: columns[0]?.length ?? 0, nullCount: 0, children: data });
      writer.write(new arrow.RecordBatch(schema, struct as never));
    },
    async close() {
      writer.close();
      await written;
    },
  };
}

function arrowType(arrow: typeof Arrow, type: DataType): Arrow.DataType {
  switch (type) {
    case DataType.Int8:
      return new arrow.Int8();
    case DataType.Int16:
      return new arrow.Int16();
    case DataType.Int32:
      return new arrow.Int32();
    // As in the Parquet files: every value fits.
    case DataType.Uint32:
    case DataType.Int64:
      return new arrow.Int64();
    case DataType.Uint8:
      return new arrow.Uint8();
    case DataType.Uint16:
      return new arrow.Uint16();
    case DataType.Uint64:
      return new arrow.Uint64();
    case DataType.FP8E4M3:
    case DataType.FP8E5M2:
    case DataType.FP16:
    case DataType.FP32:
      return new arrow.Float32();
    case DataType.FP64:
      return new arrow.Float64();
    case DataType.Bool:
      return new arrow.Bool();
    case DataType.String:
      return new arrow.Utf8();
    default:
      return new arrow.Binary();
  }
}
