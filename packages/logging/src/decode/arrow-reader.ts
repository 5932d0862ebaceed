import { LoggingError } from '../errors.js';

/** Cells of a columnar blob: by row, then by name; null or empty = no value. */
export interface BlobCells {
  readonly rowCount: number;
  cell(row: number, index: number): Uint8Array | null;
}

/** Opens a compressed body buffer: 0 = LZ4 frame, 1 = zstd. */
export type OpenBody = (codec: number, bytes: Uint8Array, length: number) => Uint8Array;

const binary = 4;
const largeBinary = 19;

function broken(what: string): LoggingError {
  return new LoggingError('INFERFLOW_LOGGING_FORMAT_INVALID', `not a readable Arrow stream: ${what}`);
}

interface Column {
  readonly name: string;
  readonly type: number;
}

interface Batch {
  readonly from: number;
  readonly rows: number;
  /** Per column: validity, offsets, data. */
  readonly buffers: readonly Uint8Array[];
}

/**
 * Reads an Arrow IPC stream of binary columns named by feature index. Several batches follow each other; a missing end marker is fine.
 * @throws LoggingError INFERFLOW_LOGGING_FORMAT_INVALID
 */
export function readArrowStream(bytes: Uint8Array, openBody: OpenBody | null): BlobCells {
  let columns: readonly Column[] | null = null;
  const batches: Batch[] = [];
  let rowCount = 0;
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + 4 <= bytes.length; ) {
      let length = view.getInt32(at, true);
      at += 4;
      if (length === -1) {
        if (at + 4 > bytes.length) break;
        length = view.getInt32(at, true);
        at += 4;
      }
      if (length === 0) break;
      if (length < 8 || length > bytes.length - at) throw broken('a cut message');
      const meta = bytes.subarray(at, at + length);
      at += length;
      const message = new Table(meta, u32(meta, 0));
      const header = message.table(2);
      const bodyLength = message.int64(3);
      if (header === null || bodyLength < 0 || bodyLength > bytes.length - at) throw broken('a cut body');
      const body = bytes.subarray(at, at + bodyLength);
      at += bodyLength;
      const kind = message.uint8(1);
      if (kind === 1) columns = header.tables(1).map((field) => ({ name: field.text(0), type: field.uint8(2) }));
      else if (kind === 3) {
        if (columns === null) throw broken('rows before a schema');
        for (const { name, type } of columns) if (type !== binary && type !== largeBinary) throw broken(`column ${name} is not binary`);
        const batch = readBatch(header, body, columns, rowCount, openBody);
        batches.push(batch);
        rowCount += batch.rows;
      }
    }
  } catch (error) {
    if (error instanceof LoggingError) throw error;
    throw broken((error as Error).message);
  }
  if (columns === null) throw broken('no schema');
  const byName = new Map(columns.map(({ name }, position) => [name, position]));
  const types = columns.map(({ type }) => type);
  return {
    rowCount,
    cell(row, index) {
      const position = byName.get(String(index));
      const batch = batches.find(({ from, rows }) => row >= from && row < from + rows);
      return position === undefined || batch === undefined ? null : cellOf(batch, position, types[position] as number, row - batch.from);
    },
  };
}

function readBatch(header: Table, body: Uint8Array, columns: readonly Column[], from: number, openBody: OpenBody | null): Batch {
  const rows = header.int64(0);
  const compression = header.table(3);
  const buffers = header.pairs(2).map(([offset, length]) => {
    if (offset < 0 || length < 0 || offset + length > body.length) throw broken('a buffer outside its body');
    const buffer = body.subarray(offset, offset + length);
    if (compression === null || length === 0) return buffer;
    const plain = Number(new DataView(buffer.buffer, buffer.byteOffset, 8).getBigInt64(0, true));
    if (plain === -1) return buffer.subarray(8);
    if (openBody === null) throw broken('a compressed body, and no codec at hand');
    return openBody(compression.uint8(0), buffer.subarray(8), plain);
  });
  if (buffers.length < columns.length * 3) throw broken('fewer buffers than columns');
  columns.forEach(({ type }, position) => {
    const offsets = buffers[position * 3 + 1] as Uint8Array;
    const width = type === largeBinary ? 8 : 4;
    if (rows > 0 && offsets.length < (rows + 1) * width) throw broken('cut offsets');
  });
  return { from, rows, buffers };
}

function cellOf({ buffers }: Batch, position: number, type: number, row: number): Uint8Array | null {
  const validity = buffers[position * 3] as Uint8Array;
  if (validity.length > 0 && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0) return null;
  const offsets = buffers[position * 3 + 1] as Uint8Array;
  const view = new DataView(offsets.buffer, offsets.byteOffset, offsets.byteLength);
  const at = (index: number): number => (type === largeBinary ? Number(view.getBigInt64(index * 8, true)) : view.getInt32(index * 4, true));
  const data = buffers[position * 3 + 2] as Uint8Array;
  const [start, end] = [at(row), at(row + 1)];
  if (start < 0 || end < start || end > data.length) throw broken('offsets outside the data');
  return data.subarray(start, end);
}

function u32(bytes: Uint8Array, at: number): number {
  if (at < 0 || at + 4 > bytes.length) throw broken('a cut table');
  return new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, true);
}

/** A FlatBuffers table; reads outside the bytes throw. */
class Table {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #position: number;
  readonly #vtable: number;
  readonly #size: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = position;
    this.#vtable = position - this.#view.getInt32(position, true);
    this.#size = this.#view.getUint16(this.#vtable, true);
  }

  #at(field: number): number {
    const offset = 4 + field * 2;
    if (offset + 2 > this.#size) return 0;
    const relative = this.#view.getUint16(this.#vtable + offset, true);
    return relative === 0 ? 0 : this.#position + relative;
  }

  #ref(at: number): number {
    return at + this.#view.getUint32(at, true);
  }

  uint8(field: number): number {
    const at = this.#at(field);
    return at === 0 ? 0 : this.#view.getUint8(at);
  }

  int64(field: number): number {
    const at = this.#at(field);
    return at === 0 ? 0 : Number(this.#view.getBigInt64(at, true));
  }

  table(field: number): Table | null {
    const at = this.#at(field);
    return at === 0 ? null : new Table(this.#bytes, this.#ref(at));
  }

  text(field: number): string {
    const at = this.#at(field);
    if (at === 0) return '';
    const start = this.#ref(at);
    const length = this.#view.getUint32(start, true);
    if (start + 4 + length > this.#bytes.length) throw broken('a cut text');
    return new TextDecoder().decode(this.#bytes.subarray(start + 4, start + 4 + length));
  }

  tables(field: number): readonly Table[] {
    const at = this.#at(field);
    if (at === 0) return [];
    const start = this.#ref(at);
    const count = this.#view.getUint32(start, true);
    if (count * 4 > this.#bytes.length) throw broken('a cut list');
    return Array.from({ length: count }, (_, index) => new Table(this.#bytes, this.#ref(start + 4 + index * 4)));
  }

  /** A vector of structs of two 64-bit numbers. */
  pairs(field: number): readonly (readonly [number, number])[] {
    const at = this.#at(field);
    if (at === 0) return [];
    const start = this.#ref(at);
    const count = this.#view.getUint32(start, true);
    if (count * 16 > this.#bytes.length) throw broken('a cut list');
    return Array.from({ length: count }, (_, index) => {
      const position = start + 4 + index * 16;
      return [Number(this.#view.getBigInt64(position, true)), Number(this.#view.getBigInt64(position + 8, true))] as const;
    });
  }
}
