import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { FeatureStoreError } from '../errors.js';
import { readCsv } from './csv-source.js';
import { readJson, readJsonLines } from './json-source.js';
import { readParquet } from './parquet-source.js';
import type { SourceRows } from './source-row.js';

/**
 * Opens a file by its ending: `.csv`, `.json`, `.jsonl` (or `.ndjson`), `.parquet`.
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_SOURCE_UNREADABLE, or what the reader of that format throws
 */
export async function openSource(file: string): Promise<SourceRows> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new FeatureStoreError(
      'INFERFLOW_FEATURE_STORE_SOURCE_UNREADABLE',
      `${file}: cannot be read: ${cause instanceof Error ? cause.message : ''}`,
      { cause },
    );
  }
  const ending = extname(file).toLowerCase();
  switch (ending) {
    case '.csv':
      return readCsv(textOf(bytes, file), file);
    case '.json':
      return readJson(textOf(bytes, file), file);
    case '.jsonl':
    case '.ndjson':
      return readJsonLines(textOf(bytes, file), file);
    case '.parquet':
      return readParquet(bytes, file);
    default:
      throw new FeatureStoreError(
        'INFERFLOW_FEATURE_STORE_SOURCE_UNREADABLE',
        `${file}: expected a file that ends in .csv, .json, .jsonl or .parquet`,
      );
  }
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FeatureStoreError('INFERFLOW_FEATURE_STORE_SOURCE_UNREADABLE', `${file}: expected UTF-8 text`, { cause });
  }
}
