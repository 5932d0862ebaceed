import { LoggingError } from '../errors.js';
import type { LogFeature } from '../schema/log-schema.js';
import { isZstd, loadZstd } from '../zstd.js';
import { type BlobCells, readArrowStream } from './arrow-reader.js';
import { decodeCell } from './cell-value.js';
import { ContentRoom } from './content-room.js';
import type { DecodedCell, FloatStyle } from './decoded-cell.js';
import { openLz4Frame } from './lz4-frame.js';
import { readParquetBlob } from './parquet-reader.js';
import { type ParsedLog, parseLog } from './parse-log.js';
import { openZstdFrame } from './zstd-frame.js';

/** Options of {@link decodeLog}. */
export interface DecodeOptions {
  /** Reads the blobs in this format whatever the metadata says. */
  readonly format?: 'proto' | 'arrow' | 'parquet';
  /** false: a message is never taken for a zstd frame. @default true */
  readonly decompress?: boolean;
  /** @default exact */
  readonly floats?: FloatStyle;
}

/** Header of a record. */
export interface LogHeader extends ParsedLog {
  readonly isCompressed: boolean;
  /** The four bits of the metadata. */
  readonly version: number;
  readonly format: 'proto' | 'arrow' | 'parquet' | 'unknown';
}

/** A decoded record. */
export interface DecodedLog extends LogHeader {
  /** How the blobs were read. */
  readonly readAs: 'proto' | 'arrow' | 'parquet';
  /** One per row. */
  readonly entityIds: readonly string[];
  /** Per row, per schema feature. */
  readonly rows: readonly (readonly DecodedCell[])[];
  /** Oddities that did not keep the record from being read. */
  readonly warnings: readonly string[];
}

/** More rows without an id than any writer leaves: the blob is damaged, and would fill the memory. */
const mostNamelessRows = 1 << 16;

const formats = ['proto', 'arrow', 'parquet', 'unknown'] as const;

/** Reads the header of an InferflowLog, zstd frames included. @throws LoggingError for what is not one */
export async function readLogHeader(bytes: Uint8Array, decompress = true): Promise<LogHeader> {
  const plain = decompress && isZstd(bytes) ? openZstdFrame(await loadZstd(), bytes) : bytes;
  const log = parseLog(plain);
  return {
    ...log,
    isCompressed: (log.metadata & 1) === 1,
    version: (log.metadata >> 2) & 15,
    format: formats[log.metadata >> 6] ?? 'unknown',
  };
}

/** Decodes an InferflowLog with the features of its schema. @throws LoggingError for what is not readable */
export async function decodeLog(bytes: Uint8Array, features: readonly LogFeature[], options: DecodeOptions = {}): Promise<DecodedLog> {
  const header = await readLogHeader(bytes, options.decompress ?? true);
  return decodeBlobs(header, features, options);
}

/** Decodes the blobs of a record whose header was read. */
export async function decodeBlobs(header: LogHeader, features: readonly LogFeature[], options: DecodeOptions = {}): Promise<DecodedLog> {
  const floats = options.floats ?? 'exact';
  const readAs = options.format ?? (header.format === 'unknown' ? 'proto' : header.format);
  const warnings: string[] = [];
  let rows: DecodedCell[][];
  if (readAs === 'proto') rows = header.blobs.map((blob) => decodeProtoRow(blob, features, floats));
  else {
    const blob = header.blobs[0];
    if (header.blobs.length > 1) warnings.push(`${header.blobs.length} blobs where one is expected; the first is read`);
    // Nothing was logged; the ids are all there is.
    if (blob === undefined || blob.length === 0)
      return { ...header, readAs, entityIds: blob === undefined ? [] : header.entities, rows: [], warnings };
    const cells = readAs === 'arrow' ? readArrowStream(blob, await bodyOpener(blob)) : await readParquetBlob(blob);
    if (cells.rowCount > header.entities.length + mostNamelessRows)
      throw new LoggingError('INFERFLOW_LOGGING_FORMAT_INVALID', `${cells.rowCount} rows, but ${header.entities.length} entities`);
    rows = Array.from({ length: cells.rowCount }, (_, row) => decodeBlobRow(cells, row, features, floats));
  }
  if (rows.length > header.entities.length)
    warnings.push(`${rows.length} rows, but ${header.entities.length} entities: the missing ids are made up`);
  if (rows.length < header.entities.length)
    warnings.push(`${header.entities.length} entities, but ${rows.length} rows: ids without row are dropped`);
  return { ...header, readAs, entityIds: rows.map((_, row) => header.entities[row] ?? `entity_${row}`), rows, warnings };
}

function decodeProtoRow(bytes: Uint8Array, features: readonly LogFeature[], floats: FloatStyle): DecodedCell[] {
  const row = new Array<DecodedCell>(features.length).fill(null);
  // The first byte says whether defaults are among the values.
  let at = 1;
  for (let index = 0; index < features.length; index++) {
    const { type } = features[index] as LogFeature;
    if (type.width < 0) continue;
    let length = type.width;
    if (length === 0) {
      if (at + 2 > bytes.length) break;
      length = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      at += 2;
      if (length === 0) continue;
    }
    if (at + length > bytes.length) {
      if (type.width > 0) break;
      continue;
    }
    row[index] = decodeCell(type, bytes.subarray(at, at + length), floats);
    at += length;
  }
  return row;
}

function decodeBlobRow(cells: BlobCells, row: number, features: readonly LogFeature[], floats: FloatStyle): DecodedCell[] {
  return features.map(({ type }, index) => {
    const bytes = cells.cell(row, index);
    return bytes === null || bytes.length === 0 ? null : decodeCell(type, bytes, floats);
  });
}

async function bodyOpener(blob: Uint8Array): Promise<(codec: number, bytes: Uint8Array, length: number) => Uint8Array> {
  // Compressed bodies are rare; only a blob that holds zstd's magic number needs the library.
  const zstd = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength).includes(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))
    ? await loadZstd().catch(() => null)
    : null;
  const room = new ContentRoom();
  return (codec, bytes, length) => {
    room.take(length);
    if (codec === 0) return openLz4Frame(bytes, length);
    if (zstd === null) throw new Error('a zstd body, and no zstd at hand');
    return zstd.decompress(bytes, length);
  };
}
