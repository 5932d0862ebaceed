import { appendDeltaLengths } from './delta-lengths.js';
import { GrowingBytes } from './growing-bytes.js';
import type { LogRows } from './log-rows.js';
import { ThriftWriter } from './thrift-writer.js';

// A Parquet file of one row group with the single column `Features`: a map from schema index to bytes, every index in every row.

const typeInt64 = 2;
const typeBytes = 6;
const encodingPlain = 0;
const encodingRle = 3;
const encodingDeltaLength = 6;
const pageV2 = 3;
const cellsPerPause = 32 * 1024;

/** Rows being gathered; may be filled in several slices. */
export class ParquetMapRows {
  readonly #features: number;
  readonly #isNullable: boolean;
  readonly #values = new GrowingBytes(1 << 14);
  #lengths = new Int32Array(0);
  #isThere = new Uint8Array(0);
  #rows = 0;

  constructor(features: number, isNullable: boolean) {
    this.#features = features;
    this.#isNullable = isNullable;
  }

  /** Bytes of the values so far. */
  get valueBytes(): number {
    return this.#values.end;
  }

  append(rows: LogRows, row: number): void {
    const at = this.#rows * this.#features;
    if (at + this.#features > this.#lengths.length) {
      const size = Math.max(at + this.#features, this.#lengths.length * 2);
      const lengths = new Int32Array(size);
      lengths.set(this.#lengths);
      const isThere = new Uint8Array(size);
      isThere.set(this.#isThere);
      this.#lengths = lengths;
      this.#isThere = isThere;
    }
    for (let feature = 0; feature < this.#features; feature++) {
      if (!rows.load(feature, row)) continue;
      this.#values.append(rows.bytes, rows.start, rows.length);
      this.#lengths[at + feature] = rows.length;
      this.#isThere[at + feature] = 1;
    }
    this.#rows++;
  }

  /** The file, in steps. */
  *finish(): Generator<void, Uint8Array, void> {
    const count = this.#rows * this.#features;
    const file = new GrowingBytes(this.#values.end + count * 10 + 1024);
    file.append(magic, 0, 4);
    const keys = this.#keyPage(count);
    yield;
    const key = appendPage(file, keys);
    yield;
    const values = yield* this.#valuePage(count);
    yield;
    const value = appendPage(file, values);
    this.#footer(file, count, key, value);
    return file.written;
  }

  #keyPage(count: number): Page {
    const body = new GrowingBytes(count * 8 + 64);
    const levels = this.#repetition(body);
    const definition = run(body, count, 1);
    body.ensure(count * 8);
    const start = body.end;
    for (let index = 0; index < Math.min(this.#features, count); index++) {
      body.view.setUint32(start + index * 8, index, true);
      body.view.setUint32(start + index * 8 + 4, 0, true);
    }
    // Every row has the same keys.
    body.end = start + count * 8;
    for (let done = this.#features * 8; start + done < body.end; done *= 2)
      body.bytes.copyWithin(start + done, start, start + Math.min(done, body.end - start - done));
    return { body, count, rows: this.#rows, nulls: 0, encoding: encodingPlain, levels, definition };
  }

  *#valuePage(count: number): Generator<void, Page, void> {
    const body = new GrowingBytes(this.#values.end + count + 256);
    const levels = this.#repetition(body);
    let lengths = this.#lengths;
    let there = count;
    const start = body.end;
    if (this.#isNullable) {
      // Definition level 1: the key is there, the value is null.
      lengths = new Int32Array(count);
      there = 0;
      for (let index = 0, pauseAt = cellsPerPause; index < count; ) {
        if (index >= pauseAt) {
          pauseAt += cellsPerPause;
          yield;
        }
        const isThere = this.#isThere[index];
        const first = index;
        for (; index < count && index < pauseAt && this.#isThere[index] === isThere; index++)
          if (isThere === 1) lengths[there++] = this.#lengths[index] as number;
        run(body, index - first, isThere === 1 ? 2 : 1);
      }
    } else run(body, count, 1);
    const definition = body.end - start;
    yield* appendDeltaLengths(body, lengths, there);
    body.append(this.#values.bytes, 0, this.#values.end);
    return { body, count, rows: this.#rows, nulls: count - there, encoding: encodingDeltaLength, levels, definition };
  }

  /** 0 where a row starts, 1 within it. */
  #repetition(body: GrowingBytes): number {
    const start = body.end;
    for (let row = 0; row < this.#rows; row++) {
      run(body, 1, 0);
      if (this.#features > 1) run(body, this.#features - 1, 1);
    }
    return body.end - start;
  }

  #footer(file: GrowingBytes, count: number, key: Chunk, value: Chunk): void {
    const start = file.end;
    const thrift = new ThriftWriter(file);
    const column = (chunk: Chunk, name: string, type: number, encoding: number) => () => {
      thrift.int64(2, chunk.start).struct(3, () => {
        thrift.int32(1, type).int32s(2, [encoding, encodingRle]).texts(3, ['Features', 'key_value', name]).int32(4, 0);
        thrift.int64(5, count).int64(6, chunk.length).int64(7, chunk.length).int64(9, chunk.start);
      });
    };
    thrift
      .int32(1, 1)
      .structs(2, [
        () => thrift.text(4, 'parquetRow').int32(5, 1),
        () =>
          thrift
            .int32(3, 0)
            .text(4, 'Features')
            .int32(5, 1)
            .int32(6, 1)
            .struct(10, () => thrift.struct(2, () => {})),
        () => thrift.int32(3, 2).text(4, 'key_value').int32(5, 2),
        () =>
          thrift
            .int32(1, typeInt64)
            .int32(3, 0)
            .text(4, 'key')
            .int32(6, 18)
            .struct(10, () => thrift.struct(10, () => thrift.int8(1, 64).boolean(2, true))),
        () =>
          thrift
            .int32(1, typeBytes)
            .int32(3, this.#isNullable ? 1 : 0)
            .text(4, 'value'),
      ])
      .int64(3, this.#rows)
      .structs(4, [
        () =>
          thrift
            .structs(1, [column(key, 'key', typeInt64, encodingPlain), column(value, 'value', typeBytes, encodingDeltaLength)])
            .int64(2, key.length + value.length)
            .int64(3, this.#rows)
            .int64(5, key.start)
            .int64(6, key.length + value.length),
      ])
      .text(6, 'inferflow')
      .end();
    file.appendUint32(file.end - start);
    file.append(magic, 0, 4);
  }
}

const magic = new TextEncoder().encode('PAR1');

interface Page {
  readonly body: GrowingBytes;
  readonly count: number;
  readonly rows: number;
  readonly nulls: number;
  readonly encoding: number;
  /** Bytes of the repetition and of the definition levels. */
  readonly levels: number;
  readonly definition: number;
}

interface Chunk {
  readonly start: number;
  readonly length: number;
}

function appendPage(file: GrowingBytes, page: Page): Chunk {
  const start = file.end;
  const thrift = new ThriftWriter(file);
  thrift
    .int32(1, pageV2)
    .int32(2, page.body.end)
    .int32(3, page.body.end)
    .struct(8, () => {
      thrift
        .int32(1, page.count)
        .int32(2, page.nulls)
        .int32(3, page.rows)
        .int32(4, page.encoding)
        .int32(5, page.definition)
        .int32(6, page.levels)
        .boolean(7, false);
    })
    .end();
  file.append(page.body.bytes, 0, page.body.end);
  return { start, length: file.end - start };
}

/** A run of equal levels of at most eight bits; returns its bytes. */
function run(body: GrowingBytes, count: number, level: number): number {
  const start = body.end;
  if (count === 0) return 0;
  let rest = count * 2;
  while (rest > 127) {
    body.appendByte((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  body.appendByte(rest);
  body.appendByte(level);
  return body.end - start;
}
