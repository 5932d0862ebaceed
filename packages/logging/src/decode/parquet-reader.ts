import { LoggingError, missingLibrary } from '../errors.js';
import { loadZstd } from '../zstd.js';
import type { BlobCells } from './arrow-reader.js';
import { ContentRoom } from './content-room.js';
import { ParquetType, type ParquetValue, readHybrid, readValues } from './parquet-encodings.js';
import { ThriftReader, type ThriftStruct } from './thrift-reader.js';

/** A column of the file: where its values end and how they nest. */
interface Leaf {
  readonly path: readonly string[];
  readonly type: number;
  readonly definition: number;
  readonly repetition: number;
}

/** A value with its levels. */
interface Entry {
  readonly repetition: number;
  readonly definition: number;
  readonly value: ParquetValue | null;
}

/** More values than a record can have: some bytes of a damaged file may say any number of them, and would fill the memory. */
const mostValues = 1 << 23;

type Inflate = (codec: number, bytes: Uint8Array, length: number) => Uint8Array;

/**
 * Reads a Parquet file: the map column `Features` from feature index to bytes (or a list of bytes by index), or, without it, columns
 * named by index.
 * @throws LoggingError INFERFLOW_LOGGING_FORMAT_INVALID, INFERFLOW_LOGGING_DEPENDENCY_MISSING
 */
export async function readParquetBlob(bytes: Uint8Array): Promise<BlobCells> {
  try {
    const footer = footerOf(bytes);
    const groups = structs(footer.get(4));
    const codecs = new Set(groups.flatMap((group) => structs(group.get(1)).map((chunk) => number(struct(chunk.get(3)).get(4)))));
    codecs.delete(0);
    const inflate = codecs.size === 0 ? null : await loadInflate(codecs);
    const leaves = leavesOf(structs(footer.get(2)));
    let values = 0;
    for (const group of groups) for (const chunk of structs(group.get(1))) values += Math.max(number(struct(chunk.get(3)).get(5)), 0);
    if (values > mostValues) throw new RangeError('more values than can be');
    const columns = leaves.map((leaf, index) =>
      groups.flatMap((group) => readChunk(bytes, leaf, struct(structs(group.get(1))[index]?.get(3)), inflate)),
    );
    return assemble(leaves, columns, number(footer.get(3)));
  } catch (error) {
    if (error instanceof LoggingError) throw error;
    throw new LoggingError('INFERFLOW_LOGGING_FORMAT_INVALID', `not a readable Parquet file: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}

function struct(value: unknown): ThriftStruct {
  if (value instanceof Map) return value;
  throw new RangeError('a struct is missing');
}

function structs(value: unknown): readonly ThriftStruct[] {
  return Array.isArray(value) ? value.map(struct) : [];
}

function footerOf(bytes: Uint8Array): ThriftStruct {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12 || view.getUint32(0, true) !== 0x31524150 || view.getUint32(bytes.length - 4, true) !== 0x31524150)
    throw new RangeError('no PAR1');
  const start = bytes.length - 8 - view.getUint32(bytes.length - 8, true);
  if (start < 4) throw new RangeError('a cut footer');
  return new ThriftReader(bytes, start).struct();
}

function leavesOf(schema: readonly ThriftStruct[]): readonly Leaf[] {
  const leaves: Leaf[] = [];
  let next = 1;
  const walk = (count: number, path: readonly string[], definition: number, repetition: number): void => {
    for (let child = 0; child < count; child++) {
      const element = schema[next++];
      if (element === undefined || path.length > 16) throw new RangeError('a broken schema');
      const kind = number(element.get(3));
      const here = [...path, new TextDecoder().decode(element.get(4) as Uint8Array)];
      const [deeper, repeats] = [definition + (kind === 0 ? 0 : 1), repetition + (kind === 2 ? 1 : 0)];
      const children = number(element.get(5));
      if (children > 0) walk(children, here, deeper, repeats);
      else leaves.push({ path: here, type: number(element.get(1)), definition: deeper, repetition: repeats });
    }
  };
  walk(number(schema[0]?.get(5)), [], 0, 0);
  return leaves;
}

function readChunk(bytes: Uint8Array, leaf: Leaf, meta: ThriftStruct, inflate: Inflate | null): readonly Entry[] {
  const entries: Entry[] = [];
  const total = number(meta.get(5));
  const codec = number(meta.get(4));
  const open = (page: Uint8Array, length: number): Uint8Array => (codec === 0 || inflate === null ? page : inflate(codec, page, length));
  let dictionary: readonly ParquetValue[] | null = null;
  const data = number(meta.get(9));
  const words = number(meta.get(11));
  let at = words > 0 && words < data ? words : data;
  while (entries.length < total) {
    const reader = new ThriftReader(bytes, at);
    const page = reader.struct();
    const size = number(page.get(3));
    if (size < 0 || size > bytes.length - reader.at) throw new RangeError('a cut page');
    const body = bytes.subarray(reader.at, reader.at + size);
    at = reader.at + size;
    const length = number(page.get(2));
    if (page.get(7) !== undefined) dictionary = readValues(0, leaf.type, open(body, length), number(struct(page.get(7)).get(1)), null);
    else {
      const head = struct(page.get(8) ?? page.get(5));
      if (number(head.get(1)) > total - entries.length) throw new RangeError('a page with more values than its column');
      if (page.get(8) !== undefined) appendPageV2(entries, leaf, head, body, length, open, dictionary);
      else appendPageV1(entries, leaf, head, open(body, length), dictionary);
    }
  }
  return entries;
}

function levelWidth(most: number): number {
  return most === 0 ? 0 : Math.floor(Math.log2(most)) + 1;
}

function appendPageV1(
  entries: Entry[],
  leaf: Leaf,
  head: ThriftStruct,
  page: Uint8Array,
  dictionary: readonly ParquetValue[] | null,
): void {
  const count = number(head.get(1));
  let rest = page;
  const levels = (most: number): Int32Array => {
    if (most === 0) return new Int32Array(count);
    const length = new DataView(rest.buffer, rest.byteOffset, rest.byteLength).getUint32(0, true);
    const values = readHybrid(rest.subarray(4, 4 + length), levelWidth(most), count);
    rest = rest.subarray(4 + length);
    return values;
  };
  const repetition = levels(leaf.repetition);
  const definition = levels(leaf.definition);
  appendEntries(entries, leaf, repetition, definition, number(head.get(2)), rest, dictionary);
}

function appendPageV2(
  entries: Entry[],
  leaf: Leaf,
  head: ThriftStruct,
  page: Uint8Array,
  length: number,
  open: (page: Uint8Array, length: number) => Uint8Array,
  dictionary: readonly ParquetValue[] | null,
): void {
  const count = number(head.get(1));
  const [definitionBytes, repetitionBytes] = [number(head.get(5)), number(head.get(6))];
  const repetition = readHybrid(page.subarray(0, repetitionBytes), levelWidth(leaf.repetition), count);
  const definition = readHybrid(page.subarray(repetitionBytes, repetitionBytes + definitionBytes), levelWidth(leaf.definition), count);
  const packed = page.subarray(repetitionBytes + definitionBytes);
  const isPacked = head.get(7) !== false && packed.length > 0;
  const values = isPacked ? open(packed, length - repetitionBytes - definitionBytes) : packed;
  appendEntries(entries, leaf, repetition, definition, number(head.get(4)), values, dictionary);
}

function appendEntries(
  entries: Entry[],
  leaf: Leaf,
  repetition: Int32Array,
  definition: Int32Array,
  encoding: number,
  bytes: Uint8Array,
  dictionary: readonly ParquetValue[] | null,
): void {
  let there = 0;
  for (const level of definition) if (level === leaf.definition) there++;
  if (definition.length === 0) throw new RangeError('an empty page');
  const values = readValues(encoding, leaf.type, bytes, there, dictionary);
  let next = 0;
  for (let index = 0; index < definition.length; index++) {
    const isThere = definition[index] === leaf.definition;
    entries.push({
      repetition: repetition[index] as number,
      definition: definition[index] as number,
      value: isThere ? (values[next++] ?? null) : null,
    });
  }
}

function assemble(leaves: readonly Leaf[], columns: readonly (readonly Entry[])[], rowCount: number): BlobCells {
  const inMap = leaves.map(({ path }, index) => (path[0] === 'Features' ? index : -1)).filter((index) => index >= 0);
  if (inMap.length === 0) {
    const byName = new Map(leaves.map(({ path }, index) => [path.join('.'), columns[index] ?? []]));
    return { rowCount, cell: (row, index) => bytesOf(byName.get(String(index))?.[row]?.value) };
  }
  const rows: Map<number, ParquetValue | null>[] = [];
  const last = inMap.at(-1) as number;
  const values = columns[last] ?? [];
  const keys = inMap.length > 1 ? (columns[inMap[0] as number] ?? []) : null;
  // Keys that are not numbers name no feature.
  const isNamed = keys !== null && leaves[inMap[0] as number]?.type === ParquetType.bytes;
  values.forEach((entry, index) => {
    if (entry.repetition === 0) rows.push(new Map());
    const row = rows.at(-1) as Map<number, ParquetValue | null>;
    const key = keys === null ? row.size : keys[index]?.value;
    // An absent key is an empty or absent map.
    if (typeof key !== 'number' || isNamed || (keys === null && entry.definition < (leaves[last] as Leaf).definition - 1)) return;
    row.set(key, entry.value);
  });
  return { rowCount, cell: (row, index) => bytesOf(rows[row]?.get(index)) };
}

function bytesOf(value: ParquetValue | null | undefined): Uint8Array | null {
  return value instanceof Uint8Array ? value : null;
}

const zstdCodec = 6;
const codecNames: Readonly<Record<number, string>> = { 1: 'SNAPPY', 2: 'GZIP', 4: 'BROTLI', 5: 'LZ4', 7: 'LZ4_RAW' };

async function loadInflate(codecs: ReadonlySet<number>): Promise<Inflate> {
  let library: typeof import('hyparquet-compressors');
  try {
    library = await import('hyparquet-compressors');
  } catch (error) {
    throw missingLibrary('hyparquet-compressors', 'reading compressed Parquet logs', error);
  }
  const table = library.compressors as Readonly<Record<string, ((bytes: Uint8Array, length: number) => Uint8Array) | undefined>>;
  // The library's own takes as much memory as a frame says.
  const zstd = codecs.has(zstdCodec) ? await loadZstd() : null;
  const room = new ContentRoom();
  return (codec, bytes, length) => {
    room.take(length);
    if (codec === zstdCodec && zstd !== null) return zstd.decompress(bytes, length);
    const open = table[codecNames[codec] ?? ''];
    if (open === undefined) throw new RangeError(`codec ${codec}`);
    return open(bytes, length);
  };
}
