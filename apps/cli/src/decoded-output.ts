import type { LogFeature } from '@inferflow/logging';
import type { DecodedCell, DecodedLog } from '@inferflow/logging/decode';

/** How decoded rows are written. */
export type OutputFormat = 'json' | 'csv';

/** Turns decoded records into lines; a CSV header comes before the first row and whenever the columns change. */
export class DecodedOutput {
  readonly #format: OutputFormat;
  readonly #write: (text: string) => void;
  #header = '';

  constructor(format: OutputFormat, write: (text: string) => void) {
    this.#format = format;
    this.#write = write;
  }

  record(log: DecodedLog, features: readonly LogFeature[]): void {
    if (this.#format === 'json') {
      for (const [row, cells] of log.rows.entries()) this.#write(`${jsonLine(log, row, cells, features)}\n`);
      return;
    }
    const header = csvLine(['model_config_id', 'tracking_id', 'user_id', 'entity_id', ...features.map(({ name }) => name)]);
    if (header !== this.#header && log.rows.length > 0) this.#write(header);
    this.#header = header;
    for (const [row, cells] of log.rows.entries()) {
      this.#write(csvLine([log.modelConfigId, log.trackingId, log.userId, log.entityIds[row] ?? '', ...cells.map(cellText)]));
    }
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
