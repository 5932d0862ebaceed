import { lengthFieldSize, putBytes, putLength } from '@inferflow/proto/hot';
import type { LogMessage } from '../log-message.js';
import type { LoggedRecord } from '../logged-record.js';
import type { LogSchema } from '../schema/log-schema.js';
import { recordVersion } from '../schema/log-schema.js';
import type { Zstd } from '../zstd.js';
import { type ArrowColumn, arrowStream } from './arrow-stream.js';
import { CellProgram } from './cell-program.js';
import { gatherColumn } from './column-cells.js';
import {
  type Envelope,
  type EnvelopeHead,
  envelopeOverhead,
  type LogFormatName,
  type LogParts,
  logSize,
  metadataByte,
  openEnvelope,
  putEnvelope,
  putLogHead,
  putLogTail,
} from './envelope.js';
import { GrowingBytes } from './growing-bytes.js';
import { LogRows } from './log-rows.js';
import { ParquetMapRows } from './parquet-map.js';
import { appendBlob, ProtoRows } from './proto-rows.js';
import { PiecePool, ValueSlab } from './value-slab.js';

/** A request to be encoded. */
export interface EncodeTask {
  readonly record: LoggedRecord;
  readonly parentEntity: string;
  readonly schema: LogSchema;
  readonly format: LogFormatName;
  /** Compresses messages; null = the compression flag stays 0. */
  readonly zstd: Zstd | null;
  readonly topic: string;
  /** Largest record value; rows are split so that records stay below it. */
  readonly maxRecordBytes: number;
  readonly createdAtMs: number;
}

/** What an encoder reports. */
export interface EncodeObserver {
  encoded(message: LogMessage): void;
  /** Rows that cannot be logged. */
  lost(record: LoggedRecord, rows: number, reason: EncodeLoss): void;
  /** Cells whose value their log type cannot hold: logged as missing. */
  unfit(record: LoggedRecord, cells: number): void;
}

/** Why rows could not be encoded. */
export type EncodeLoss = 'id_column_not_found' | 'record_too_large' | 'schema_empty';

const defaultBatchRows = 500;
const cellsPerPause = 2048;
// Compressing holds the thread, about 200 MB a second, and may begin at the end of a slice: both together stay below 2 ms.
const largestCompressed = 192 * 1024;

/**
 * Turns requests into records, one at a time, in steps: between two steps a caller may leave the event loop to others. Buffers are
 * reused, so there is one encoder per thread of work.
 */
export class RecordEncoder {
  readonly #observer: EncodeObserver;
  readonly #rows = new LogRows();
  readonly #proto = new ProtoRows();
  readonly #entities = new GrowingBytes();
  readonly #features = new GrowingBytes(1 << 16);
  readonly #column = new GrowingBytes();
  readonly #slabs = new Map<string, ValueSlab>();
  #pieces = new PiecePool();
  readonly #programs = new WeakMap<object, WeakMap<LogSchema, CellProgram>>();

  constructor(observer: EncodeObserver) {
    this.#observer = observer;
  }

  /** The steps of a task. The last one ends the task; leaving early is allowed with `return()`. */
  *encode(task: EncodeTask): Generator<void, void, void> {
    const { record, schema } = task;
    const { response } = record.plan.config;
    const idColumn = response.idColumn === '' ? (response.features[0] ?? '') : response.idColumn;
    const source = idColumn === '' ? null : record.target(idColumn);
    if (source === null) return this.#observer.lost(record, record.rowCount, 'id_column_not_found');
    if (schema.features.length === 0 && task.format !== 'proto') return this.#observer.lost(record, record.rowCount, 'schema_empty');
    const program = this.#programFor(record, schema);
    this.#rows.open(program, record.matrix);
    try {
      const ids = record.matrix.text(source, 'key');
      const batchRows = response.logBatchSize > 0 ? response.logBatchSize : defaultBatchRows;
      for (let from = 0; from < record.rowCount; from += batchRows) {
        const to = Math.min(from + batchRows, record.rowCount);
        if (task.format === 'proto') yield* this.#protoRows(task, program, ids, from, to);
        else yield* this.#blobRows(task, program, ids, from, to);
        yield;
      }
      if (this.#rows.unfit > 0) this.#observer.unfit(record, this.#rows.unfit);
    } finally {
      this.#rows.close();
      this.#proto.close();
      this.#features.reset();
      this.#entities.reset();
    }
  }

  /** Values from now on share no memory with those before: those may be handed to another thread. */
  startAfresh(slabBytes: number): void {
    this.#slabs.clear();
    this.#pieces = new PiecePool(slabBytes);
  }

  #slabOf(topic: string): ValueSlab {
    let slab = this.#slabs.get(topic);
    if (slab === undefined) {
      if (this.#slabs.size >= 64) this.#slabs.clear();
      slab = new ValueSlab(this.#pieces);
      this.#slabs.set(topic, slab);
    }
    return slab;
  }

  #programFor(record: LoggedRecord, schema: LogSchema): CellProgram {
    const { layout } = record.matrix;
    let bySchema = this.#programs.get(layout);
    if (bySchema === undefined) {
      bySchema = new WeakMap();
      this.#programs.set(layout, bySchema);
    }
    let program = bySchema.get(schema);
    if (program === undefined) {
      program = new CellProgram(schema.features, (name) => record.target(name), layout, record.plan.compat);
      bySchema.set(schema, program);
    }
    return program;
  }

  *#protoRows(task: EncodeTask, program: CellProgram, ids: Ids, from: number, to: number): Generator<void, void, void> {
    const limit = roomOf(task);
    const room = task.zstd === null ? limit : Math.min(limit, largestCompressed);
    const features = this.#features;
    const entities = this.#entities;
    const rowsPerPause = pauseRows(program);
    this.#proto.open(program, this.#rows);
    if (task.zstd === null && this.#proto.rowBytes > 0) return yield* this.#fixedRows(task, ids, from, to, rowsPerPause);
    features.reset();
    entities.reset();
    let first = from;
    for (let row = from; row < to; row++) {
      const featuresEnd = features.end;
      const entitiesEnd = entities.end;
      appendEntity(entities, ids, row);
      this.#proto.append(features, this.#rows, row);
      if (features.end + entities.end > (row === first ? limit : room)) {
        if (row === first) {
          this.#observer.lost(task.record, 1, 'record_too_large');
          features.end = featuresEnd;
          entities.end = entitiesEnd;
          first = row + 1;
          continue;
        }
        // The row opens the next message.
        features.end = featuresEnd;
        entities.end = entitiesEnd;
        this.#finish(task, row - first);
        features.reset();
        entities.reset();
        first = row;
        row--;
        yield;
        continue;
      }
      if ((row - from) % rowsPerPause === rowsPerPause - 1) yield;
    }
    if (to > first) this.#finish(task, to - first);
  }

  /** Rows of one length: the size of a message is known before, so rows are written where they stay. */
  *#fixedRows(task: EncodeTask, ids: Ids, from: number, to: number, rowsPerPause: number): Generator<void, void, void> {
    const room = roomOf(task);
    const { rowBytes } = this.#proto;
    for (let first = from; first < to; ) {
      let end = first;
      let content = 0;
      for (; end < to; end++) {
        const more = entitySize(ids, end) + rowBytes;
        if (content + more > room) break;
        content += more;
      }
      if (end === first) {
        this.#observer.lost(task.record, 1, 'record_too_large');
        first++;
        continue;
      }
      const parts = partsOf(task);
      const envelope = openEnvelope(headOf(task), logSize(parts, content), this.#slabOf(task.topic));
      const { value } = envelope;
      const target = { bytes: value, view: new DataView(value.buffer, value.byteOffset, value.byteLength) };
      let at = putLogHead(value, envelope.messageStart, parts);
      for (let row = first; row < end; row++) at = putEntity(value, at, ids, row);
      for (let row = first; row < end; row++) {
        at = this.#proto.put(target, at, this.#rows, row);
        if ((row - from) % rowsPerPause === rowsPerPause - 1) yield;
      }
      putLogTail(value, at, parts);
      this.#done(task, envelope, end - first);
      first = end;
      if (first < to) yield;
    }
  }

  *#blobRows(task: EncodeTask, program: CellProgram, ids: Ids, from: number, to: number): Generator<void, void, void> {
    const limit = roomOf(task);
    const room = task.zstd === null || to - from === 1 ? limit : Math.min(limit, largestCompressed);
    const blob = task.format === 'arrow' ? yield* this.#arrow(program, from, to) : yield* this.#parquet(program, from, to);
    const entities = this.#entities;
    entities.reset();
    for (let row = from; row < to; row++) appendEntity(entities, ids, row);
    if (blob.length + entities.end + 16 <= room) {
      this.#features.reset();
      appendBlob(this.#features, blob);
      this.#finish(task, to - from);
      return;
    }
    if (to - from === 1) return this.#observer.lost(task.record, 1, 'record_too_large');
    const middle = (from + to) >> 1;
    yield* this.#blobRows(task, program, ids, from, middle);
    yield* this.#blobRows(task, program, ids, middle, to);
  }

  *#arrow(program: CellProgram, from: number, to: number): Generator<void, Uint8Array, void> {
    const columns: ArrowColumn[] = [];
    for (let feature = 0; feature < program.features.length; feature++) {
      columns.push(gatherColumn(this.#rows, feature, from, to, this.#column));
      yield;
    }
    return yield* arrowStream(columns, to - from, !program.isCompat);
  }

  *#parquet(program: CellProgram, from: number, to: number): Generator<void, Uint8Array, void> {
    const rows = new ParquetMapRows(program.features.length, !program.isCompat);
    const rowsPerPause = pauseRows(program);
    for (let row = from; row < to; row++) {
      rows.append(this.#rows, row);
      if ((row - from) % rowsPerPause === rowsPerPause - 1) yield;
    }
    yield;
    return yield* rows.finish();
  }

  #finish(task: EncodeTask, rowCount: number): void {
    const { zstd } = task;
    const parts = partsOf(task);
    const entities = this.#entities;
    const features = this.#features;
    const size = logSize(parts, entities.end + features.end);
    const put = (target: Uint8Array, start: number): number => {
      let at = putLogHead(target, start, parts);
      at = putBytes(target, at, entities.bytes, 0, entities.end);
      at = putBytes(target, at, features.bytes, 0, features.end);
      return putLogTail(target, at, parts);
    };
    if (zstd === null) return this.#done(task, putEnvelope(headOf(task), size, put, this.#slabOf(task.topic)), rowCount);
    const plain = new Uint8Array(size);
    put(plain, 0);
    const frame = zstd.compress(plain);
    const putFrame = (target: Uint8Array, start: number): number => putBytes(target, start, frame, 0, frame.length);
    this.#done(task, putEnvelope(headOf(task), frame.length, putFrame, this.#slabOf(task.topic)), rowCount);
  }

  #done({ record, schema, topic, format, createdAtMs }: EncodeTask, envelope: Envelope, rowCount: number): void {
    this.#observer.encoded({
      value: envelope.value,
      messageStart: envelope.messageStart,
      messageLength: envelope.messageLength,
      topic,
      modelConfigId: record.plan.modelConfigId,
      trackingId: record.trackingId,
      rowCount,
      format,
      createdAtMs,
      schema,
    });
  }
}

interface Ids {
  readonly bytes: Uint8Array;
  readonly ranges: Int32Array;
}

function entitySize(ids: Ids, row: number): number {
  return lengthFieldSize(4, ids.ranges[row * 2 + 1] as number);
}

function putEntity(target: Uint8Array, start: number, ids: Ids, row: number): number {
  const length = ids.ranges[row * 2 + 1] as number;
  const from = ids.ranges[row * 2] as number;
  return putBytes(target, putLength(target, start, 4, length), ids.bytes, from, from + length);
}

function appendEntity(target: GrowingBytes, ids: Ids, row: number): void {
  target.ensure(entitySize(ids, row));
  target.end = putEntity(target.bytes, target.end, ids, row);
}

function partsOf({ record, schema, format, zstd, parentEntity }: EncodeTask): LogParts {
  return {
    userId: record.userId,
    trackingId: record.trackingId,
    modelConfigId: record.plan.modelConfigId,
    metadata: metadataByte(format, recordVersion(schema.version), zstd !== null),
    parentEntity,
  };
}

function headOf({ record, createdAtMs }: EncodeTask): EnvelopeHead {
  return { eventId: record.trackingId, userId: record.userId, createdAtSeconds: Math.floor(createdAtMs / 1000) };
}

/** Bytes of entities and features that a record has room for. */
function roomOf({ record, parentEntity, maxRecordBytes }: EncodeTask): number {
  return maxRecordBytes - envelopeOverhead(record.userId, record.trackingId, record.plan.modelConfigId, parentEntity);
}

function pauseRows({ features }: CellProgram): number {
  return Math.max(1, Math.floor(cellsPerPause / Math.max(features.length, 1)));
}
