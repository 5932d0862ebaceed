import { LoggingError, missingLibrary } from '../errors.js';
import type { BlobCells } from './arrow-reader.js';

/**
 * Reads a Parquet file: the map column `Features` from feature index to bytes, or, without it, columns named by index.
 * @throws LoggingError INFERFLOW_LOGGING_FORMAT_INVALID, INFERFLOW_LOGGING_DEPENDENCY_MISSING
 */
export async function readParquetBlob(bytes: Uint8Array): Promise<BlobCells> {
  const { hyparquet, compressors } = await loadLibraries();
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  try {
    const metadata = hyparquet.parquetMetadata(file);
    const rows = (await hyparquet.parquetReadObjects({ file, metadata, compressors, utf8: false })) as readonly Readonly<
      Record<string, unknown>
    >[];
    const hasMap = metadata.schema.some(({ name }) => name === 'Features');
    const key = metadata.schema.find(({ name }) => name === 'key');
    // Keys that are not numbers name no feature.
    if (hasMap && key !== undefined && key.type === 'BYTE_ARRAY') return { rowCount: Number(metadata.num_rows), cell: () => null };
    return {
      rowCount: Number(metadata.num_rows),
      cell: (row, index) => bytesOf(hasMap ? mapped(rows[row]?.Features, index) : rows[row]?.[String(index)]),
    };
  } catch (error) {
    throw new LoggingError('INFERFLOW_LOGGING_FORMAT_INVALID', `not a readable Parquet file: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** A map in one of the shapes that files give it: object, list of pairs, list by position. */
function mapped(map: unknown, index: number): unknown {
  if (map === null || map === undefined) return null;
  if (Array.isArray(map)) {
    const pair = map.findLast((entry) => Array.isArray(entry) && Number(entry[0]) === index);
    if (Array.isArray(pair)) return pair[1];
    return map[index];
  }
  return (map as Readonly<Record<string, unknown>>)[String(index)];
}

function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? new TextEncoder().encode(value) : null;
}

async function loadLibraries(): Promise<{
  readonly hyparquet: typeof import('hyparquet');
  readonly compressors: typeof import('hyparquet-compressors')['compressors'];
}> {
  try {
    return { hyparquet: await import('hyparquet'), compressors: (await import('hyparquet-compressors')).compressors };
  } catch (error) {
    throw missingLibrary('hyparquet', 'reading Parquet logs (with "hyparquet-compressors")', error);
  }
}
