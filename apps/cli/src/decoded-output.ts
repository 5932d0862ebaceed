import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { extname } from 'node:path';
import type { LogFeature } from '@inferflow/logging';
import type { DecodedCell, DecodedLog } from '@inferflow/logging/decode';
import { type DecodedTable, openDecodedTable } from '@inferflow/logging/file';
import type { CommandIo } from './command-io.js';
import { InputError } from './config-input.js';

/** How decoded rows are written. */
export type OutputFormat = 'json' | 'csv' | 'parquet' | 'arrow';

/** Where decoded records go. */
export interface DecodedOutput {
  /** Waits while what is behind it cannot take more. */
  record(log: DecodedLog, features: readonly LogFeature[], createdAtMs: number | undefined): Promise<void>;
  /** Writes the rest. @param isComplete false = reading failed or was stopped: a file is left alone if there were no rows for it */
  close(isComplete: boolean): Promise<void>;
}

/**
 * @param path absent = standard output
 * @throws InputError for a table without a file to write it to
 */
export function createDecodedOutput(format: OutputFormat, path: string | undefined, io: CommandIo): DecodedOutput {
  if (format === 'parquet' || format === 'arrow') {
    if (path === undefined) throw new InputError(`--format ${format} needs --output <file>`);
    return new TableOutput(format, path, io);
  }
  const target = path === undefined ? new StandardOutput(io) : new OutputFile(path);
  return format === 'json' ? new JsonOutput(target) : new CsvOutput(target);
}

interface TextTarget {
  write(text: string): Promise<void>;
  close(isComplete: boolean): Promise<void>;
}

class StandardOutput implements TextTarget {
  readonly #io: CommandIo;

  constructor(io: CommandIo) {
    this.#io = io;
  }

  async write(text: string): Promise<void> {
    const { stdout } = this.#io;
    if (stdout === undefined) this.#io.out(text);
    else if (!stdout.write(text)) await once(stdout, 'drain');
  }

  async close(): Promise<void> {}
}

/** Empties its file only when there is something to put in its place. */
class OutputFile implements TextTarget {
  readonly #path: string;
  #file: FileHandle | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async write(text: string): Promise<void> {
    this.#file ??= await open(this.#path, 'w');
    await this.#file.appendFile(text);
  }

  async close(isComplete: boolean): Promise<void> {
    if (isComplete) await this.write('');
    await this.#file?.close();
  }
}

class JsonOutput implements DecodedOutput {
  readonly #target: TextTarget;

  constructor(target: TextTarget) {
    this.#target = target;
  }

  async record(log: DecodedLog, features: readonly LogFeature[]): Promise<void> {
    let text = '';
    for (const [row, cells] of log.rows.entries()) text += `${jsonLine(log, row, cells, features)}\n`;
    if (text !== '') await this.#target.write(text);
  }

  close(isComplete: boolean): Promise<void> {
    return this.#target.close(isComplete);
  }
}

/** A header comes before the first row and whenever the columns change. */
class CsvOutput implements DecodedOutput {
  readonly #target: TextTarget;
  #header = '';

  constructor(target: TextTarget) {
    this.#target = target;
  }

  async record(log: DecodedLog, features: readonly LogFeature[]): Promise<void> {
    if (log.rows.length === 0) return;
    const header = csvLine(['model_config_id', 'tracking_id', 'user_id', 'entity_id', ...features.map(({ name }) => name)]);
    let text = header === this.#header ? '' : header;
    this.#header = header;
    for (const [row, cells] of log.rows.entries())
      text += csvLine([log.modelConfigId, log.trackingId, log.userId, log.entityIds[row] ?? '', ...cells.map(cellText)]);
    await this.#target.write(text);
  }

  close(isComplete: boolean): Promise<void> {
    return this.#target.close(isComplete);
  }
}

/** A file has one set of columns: records with others go to numbered files beside it. */
class TableOutput implements DecodedOutput {
  readonly #format: 'parquet' | 'arrow';
  readonly #path: string;
  readonly #io: CommandIo;
  readonly #tables = new Map<string, DecodedTable>();

  constructor(format: 'parquet' | 'arrow', path: string, io: CommandIo) {
    this.#format = format;
    this.#path = path;
    this.#io = io;
  }

  async record(log: DecodedLog, features: readonly LogFeature[], createdAtMs: number | undefined): Promise<void> {
    if (log.rows.length === 0) return;
    const columns = JSON.stringify(features.map(({ name, typeText }) => [name, typeText]));
    let table = this.#tables.get(columns);
    if (table === undefined) {
      const path = this.#nextPath();
      if (this.#tables.size > 0)
        this.#io.error(`inferflow decode: records of ${log.modelConfigId} have other columns: they go to ${path}\n`);
      table = await openDecodedTable(this.#format, path, features);
      this.#tables.set(columns, table);
    }
    table.append(log, createdAtMs);
  }

  async close(): Promise<void> {
    if (this.#tables.size === 0) this.#io.error(`inferflow decode: no rows: ${this.#path} is not written\n`);
    for (const table of this.#tables.values()) await table.close();
  }

  #nextPath(): string {
    if (this.#tables.size === 0) return this.#path;
    const extension = extname(this.#path);
    return `${this.#path.slice(0, this.#path.length - extension.length)}.${this.#tables.size + 1}${extension}`;
  }
}

function jsonLine(log: DecodedLog, row: number, cells: readonly DecodedCell[], features: readonly LogFeature[]): string {
  const values = features.map(({ name }, index) => `${JSON.stringify(name)}:${jsonText(cells[index] ?? null)}`);
  const head = {
    model_config_id: log.modelConfigId,
    tracking_id: log.trackingId,
    ...(log.userId !== '' && { user_id: log.userId }),
    ...(log.parentEntity.length > 0 && { parent_entity: log.parentEntity[0] }),
    entity_id: log.entityIds[row],
  };
  return `${JSON.stringify(head).slice(0, -1)},"features":{${values.join(',')}}}`;
}

/** JSON with every digit of a large integer; NaN and infinities as texts. */
function jsonText(cell: DecodedCell): string {
  if (typeof cell === 'bigint') return cell.toString();
  if (typeof cell === 'number' && !Number.isFinite(cell)) return JSON.stringify(String(cell));
  if (Array.isArray(cell)) return `[${cell.map(jsonText).join(',')}]`;
  if (typeof cell === 'object' && cell !== null) {
    return `{${Object.entries(cell)
      .map(([name, value]) => `${JSON.stringify(name)}:${jsonText(value as DecodedCell)}`)
      .join(',')}}`;
  }
  return JSON.stringify(cell);
}

function cellText(cell: DecodedCell): string {
  if (cell === null) return '';
  return typeof cell === 'object' ? jsonText(cell) : String(cell);
}

function csvLine(values: readonly string[]): string {
  return `${values.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',')}\n`;
}
