import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { SchemaElement } from 'hyparquet';
import type { parquetWriteBuffer } from 'hyparquet-writer';
import { type BlobCells, readArrowStream } from '../decode/arrow-reader.js';
import { parseLog } from '../decode/parse-log.js';
import type { LogSchema } from '../schema/log-schema.js';
import { columnElements, columnValue } from './typed-column.js';

/** A record for files: an InferflowLog with an Arrow blob. */
export interface FileRecord {
  readonly modelConfigId: string;
  readonly rowCount: number;
  readonly message: Uint8Array;
  readonly createdAtMs: number;
  readonly schema: LogSchema;
}

/** Options of {@link ParquetFiles}. */
export interface ParquetFilesOptions {
  readonly directory: string;
  /** Logged bytes after which a file is closed. */
  readonly fileBytes: number;
  /** Longest time a file collects rows, in ms. */
  readonly intervalMs: number;
  /** zstd, or null: uncompressed. */
  readonly compress: ((bytes: Uint8Array) => Uint8Array) | null;
  readonly write: typeof parquetWriteBuffer;
  /** Makes file names unique among writers. */
  readonly writerId: string;
  /** Wall clock in ms since 1970, for names. */
  readonly now: () => number;
  /** Clock in ms that is never set, for ages. */
  readonly elapsed: () => number;
}

/** What became of the rows of a file. */
export interface ClosedFile {
  readonly modelConfigId: string;
  readonly rows: number;
  /** Why they are lost; null: they are on disk. */
  readonly reason: string | null;
  readonly detail: string;
}

interface OpenFile {
  readonly folder: string;
  readonly modelConfigId: string;
  readonly schema: LogSchema;
  readonly columns: unknown[][];
  readonly openedAt: number;
  rows: number;
  bytes: number;
}

const ownColumns: readonly SchemaElement[] = [
  { name: '_tracking_id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: '_entity_id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: '_user_id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
  { name: '_parent_entity', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  { name: '_logged_at', type: 'INT64', converted_type: 'TIMESTAMP_MILLIS', repetition_type: 'REQUIRED' },
];

/**
 * Collects rows into Parquet files `model=…/date=…/hour=…` with one typed column per feature. A file appears under its name when it is
 * complete; its columns are those of one configuration.
 */
export class ParquetFiles {
  readonly #options: ParquetFilesOptions;
  readonly #open = new Map<string, OpenFile>();
  #bytes = 0;
  #written = 0;

  constructor(options: ParquetFilesOptions) {
    this.#options = options;
  }

  /** Takes the rows of a record; returns the files that were full. */
  append(record: FileRecord): readonly ClosedFile[] {
    const file = this.#fileFor(record);
    const log = parseLog(record.message);
    const blob = log.blobs[0];
    const cells: BlobCells | null = blob === undefined ? null : readArrowStream(blob, null);
    const { features } = record.schema;
    for (let row = 0; row < (cells?.rowCount ?? 0); row++) {
      const head = [log.trackingId, log.entities[row] ?? '', log.userId, log.parentEntity[0] ?? null, new Date(record.createdAtMs)];
      head.forEach((value, index) => {
        file.columns[index]?.push(value);
      });
      for (let index = 0; index < features.length; index++) {
        const feature = features[index] as LogSchema['features'][number];
        file.columns[ownColumns.length + index]?.push(columnValue(feature.type, cells?.cell(row, index) ?? null));
      }
    }
    file.rows += cells?.rowCount ?? 0;
    file.bytes += record.message.length;
    this.#bytes += record.message.length;
    const closed: ClosedFile[] = [];
    if (file.bytes >= this.#options.fileBytes) this.#close(file, closed);
    // All open files together stay within twice the size of one.
    while (this.#bytes > this.#options.fileBytes * 2)
      this.#close([...this.#open.values()].sort((a, b) => b.bytes - a.bytes)[0] as OpenFile, closed);
    return closed;
  }

  /** Closes files that have been open long enough, or all. */
  flush(all: boolean): readonly ClosedFile[] {
    const closed: ClosedFile[] = [];
    const oldest = this.#options.elapsed() - this.#options.intervalMs;
    for (const file of [...this.#open.values()]) if (all || file.openedAt <= oldest) this.#close(file, closed);
    return closed;
  }

  #fileFor({ modelConfigId, createdAtMs, schema }: FileRecord): OpenFile {
    const at = new Date(createdAtMs).toISOString();
    const folder = join(`model=${encodeURIComponent(modelConfigId)}`, `date=${at.slice(0, 10)}`, `hour=${at.slice(11, 13)}`);
    const key = `${folder} ${schema.configHash}`;
    let file = this.#open.get(key);
    if (file === undefined) {
      const columns = Array.from({ length: ownColumns.length + schema.features.length }, () => []);
      file = { folder, modelConfigId, schema, columns, openedAt: this.#options.elapsed(), rows: 0, bytes: 0 };
      this.#open.set(key, file);
    }
    return file;
  }

  #close(file: OpenFile, closed: ClosedFile[]): void {
    this.#open.delete(`${file.folder} ${file.schema.configHash}`);
    this.#bytes -= file.bytes;
    if (file.rows === 0) return;
    const folder = join(this.#options.directory, file.folder);
    const name = `${this.#options.now()}-${this.#options.writerId}-${this.#written++}`;
    const temporary = join(folder, `.${name}.tmp`);
    try {
      mkdirSync(folder, { recursive: true });
      const fd = openSync(temporary, 'wx');
      try {
        const bytes = this.#encode(file);
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, join(folder, `${name}.parquet`));
      closed.push({ modelConfigId: file.modelConfigId, rows: file.rows, reason: null, detail: '' });
    } catch (error) {
      try {
        unlinkSync(temporary);
      } catch {
        // It was never made.
      }
      const { code, message } = error as NodeJS.ErrnoException;
      closed.push({
        modelConfigId: file.modelConfigId,
        rows: file.rows,
        reason: code === 'ENOSPC' ? 'disk_full' : 'file_failed',
        detail: message,
      });
    }
  }

  #encode({ schema, columns }: OpenFile): Uint8Array {
    const elements = [...ownColumns, ...schema.features.flatMap(columnElements)];
    const names = [...ownColumns.map(({ name }) => name), ...schema.features.map(({ name }) => name)];
    const { compress, write } = this.#options;
    return new Uint8Array(
      write({
        schema: [{ name: 'root', num_children: columns.length }, ...elements],
        columnData: names.map((name, index) => ({ name, data: columns[index] as never })),
        ...(compress === null ? { codec: 'UNCOMPRESSED' as const } : { codec: 'ZSTD' as const, compressors: { ZSTD: compress } }),
        kvMetadata: [
          { key: 'inferflow.model_config_id', value: schema.modelConfigId },
          { key: 'inferflow.config_hash', value: schema.configHash },
          { key: 'inferflow.cache_version', value: String(schema.version) },
        ],
      }),
    );
  }
}
