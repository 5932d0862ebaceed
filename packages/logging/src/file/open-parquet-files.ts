import { missingLibrary } from '../errors.js';
import { loadZstd } from '../zstd.js';
import { ParquetFiles } from './parquet-files.js';

/** What a writer of files is made from; plain data, so that it can go to a thread. */
export interface ParquetFilesSettings {
  readonly directory: string;
  readonly fileBytes: number;
  readonly intervalMs: number;
  readonly writerId: string;
}

/** A writer with its libraries; files are compressed with zstd where it is at hand. */
export async function openParquetFiles(settings: ParquetFilesSettings): Promise<ParquetFiles> {
  let library: typeof import('hyparquet-writer');
  try {
    library = await import('hyparquet-writer');
  } catch (error) {
    throw missingLibrary('hyparquet-writer', 'the Parquet sink', error);
  }
  const zstd = await loadZstd().catch(() => null);
  return new ParquetFiles({
    ...settings,
    write: library.parquetWriteBuffer,
    compress: zstd === null ? null : (bytes) => zstd.compress(bytes),
    now: Date.now,
    elapsed: () => performance.now(),
  });
}
