import { FeatureStoreError } from '../errors.js';
import { rowsOfObjects, type SourceRows } from './source-row.js';

/**
 * Reads a Parquet file with `hyparquet`, and with `hyparquet-compressors` when that is installed too (without it, files
 * compressed other than with Snappy cannot be read).
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_DEPENDENCY_MISSING when `hyparquet` is not installed
 */
export async function readParquet(bytes: Uint8Array, file: string): Promise<SourceRows> {
  const { parquetReadObjects, parquetSchema, parquetMetadata } = await loadHyparquet(file);
  const compressors = await loadCompressors();
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  try {
    const columns = new Set(parquetSchema(parquetMetadata(buffer)).children.map((child) => child.element.name));
    const objects = await parquetReadObjects({ file: buffer, ...(compressors === undefined ? {} : { compressors }) });
    return { ...rowsOfObjects(objects), columns };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'not a Parquet file';
    throw new FeatureStoreError('INFERFLOW_FEATURE_STORE_SOURCE_INVALID', `${file}: ${message}`, {
      problems: [{ file, line: 0, column: '', message }],
      cause,
    });
  }
}

async function loadHyparquet(file: string): Promise<typeof import('hyparquet')> {
  try {
    return await import('hyparquet');
  } catch (cause) {
    throw new FeatureStoreError(
      'INFERFLOW_FEATURE_STORE_DEPENDENCY_MISSING',
      `${file}: Parquet files need the package hyparquet; install it with: npm install hyparquet hyparquet-compressors`,
      { cause },
    );
  }
}

async function loadCompressors(): Promise<typeof import('hyparquet-compressors')['compressors'] | undefined> {
  try {
    return (await import('hyparquet-compressors')).compressors;
  } catch {
    return undefined;
  }
}
