import { putLength } from '@inferflow/proto/hot';
import type { LogMessage } from '../log-message.js';
import type { LoggedRecord } from '../logged-record.js';
import type { LogSchema } from '../schema/log-schema.js';
import { recordVersion } from '../schema/log-schema.js';
import type { Zstd } from '../zstd.js';
import { type ArrowColumn, arrowStream } from './arrow-stream.js';
import { CellProgram } from './cell-program.js';
import { gatherColumn } from './column-cells.js';
import { envelopeOverhead, type LogFormatName, type LogParts, logSize, metadataByte, putEnvelope, putLog } from './envelope.js';
import { GrowingBytes } from './growing-bytes.js';
import { LogRows } from './log-rows.js';
import { ParquetMapRows } from './parquet-map.js';
import { appendBlob, ProtoRows } from './proto-rows.js';

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
const rowsPerPause = 16;

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
    const room = task.maxRecordBytes - overheadOf(task);
    const features = this.#features;
    const entities = this.#entities;
    this.#proto.open(program, this.#rows);
    features.reset();
    entities.reset();
    let first = from;
    for (let row = from; row < to; row++) {
      const featuresEnd = features.end;
      const entitiesEnd = entities.end;
      appendEntity(entities, ids, row);
      this.#proto.append(features, this.#rows, row);
      if (features.end + entities.end > room) {
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

  *#blobRows(task: EncodeTask, program: CellProgram, ids: Ids, from: number, to: number): Generator<void, void, void> {
    const room = task.maxRecordBytes - overheadOf(task);
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
    return arrowStream(columns, to - from, !program.isCompat);
  }

  *#parquet(program: CellProgram, from: number, to: number): Generator<void, Uint8Array, void> {
    const rows = new ParquetMapRows(program.features.length, !program.isCompat);
    for (let row = from; row < to; row++) {
      rows.append(this.#rows, row);
      if ((row - from) % rowsPerPause === rowsPerPause - 1) yield;
    }
    return rows.finish();
  }

  #finish(task: EncodeTask, rowCount: number): void {
    const { record, schema, zstd } = task;
    const parts: LogParts = {
      userId: record.userId,
      trackingId: record.trackingId,
      modelConfigId: record.plan.modelConfigId,
      entities: this.#entities.written,
      features: this.#features.written,
      metadata: metadataByte(task.format, recordVersion(schema.version), zstd !== null),
      parentEntity: task.parentEntity,
    };
    const head = { eventId: record.trackingId, userId: record.userId, createdAtSeconds: Math.floor(task.createdAtMs / 1000) };
    const size = logSize(parts);
    let envelope: ReturnType<typeof putEnvelope>;
    if (zstd === null) envelope = putEnvelope(head, size, (target, at) => putLog(target, at, parts));
    else {
      const plain = new Uint8Array(size);
      putLog(plain, 0, parts);
      const frame = zstd.compress(plain);
      envelope = putEnvelope(head, frame.length, (target, at) => {
        target.set(frame, at);
        return at + frame.length;
      });
    }
    this.#observer.encoded({
      ...envelope,
      topic: task.topic,
      modelConfigId: record.plan.modelConfigId,
      trackingId: record.trackingId,
      rowCount,
      format: task.format,
      createdAtMs: task.createdAtMs,
      schema,
    });
  }
}

interface Ids {
  readonly bytes: Uint8Array;
  readonly ranges: Int32Array;
}

function appendEntity(target: GrowingBytes, ids: Ids, row: number): void {
  const length = ids.ranges[row * 2 + 1] as number;
  target.ensure(length + 6);
  target.end = putLength(target.bytes, target.end, 4, length);
  target.append(ids.bytes, ids.ranges[row * 2] as number, length);
}

function overheadOf({ record, parentEntity }: EncodeTask): number {
  return envelopeOverhead(record.userId, record.trackingId, record.plan.modelConfigId, parentEntity);
}
