import { randomBytes } from 'node:crypto';
import type { Matrix } from '@inferflow/matrix';
import { putEnvelope } from '../encode/envelope.js';
import type { EncodeObserver, EncodeTask } from '../encode/record-encoder.js';
import type { LogEncoder } from '../pipeline/log-pipeline.js';
import { ProtoWriter } from './proto-writer.js';
import type { ScoringBlock, ScoringOutcome } from './scoring-details.js';
import { ScoringRecord } from './scoring-record.js';
import { TableOrigin, type TableSource, TableWriter } from './table-writer.js';
import type { UserIdentity } from './user-identity.js';

/** Event name of ScoringLog records in the envelope. */
export const SCORING_EVENT_NAME = 'inferflow_scoring_logs';

/** Type URL of ScoringLog records in the envelope. */
export const SCORING_TYPE_URL = 'type.googleapis.com/inferflow.v1.ScoringLog';

const mostRows = 4096;

/** Rows that one record holds. */
interface Part {
  readonly part: number;
  readonly isLast: boolean;
  readonly firstRow: number;
  readonly rows: number;
  readonly firstSlate: number;
  readonly slates: number;
}

/** Turns requests into ScoringLog records, in steps. A request that is too large becomes several parts. Buffers are reused. */
export class ScoringEncoder implements LogEncoder {
  readonly #observer: EncodeObserver;
  readonly #identity: UserIdentity;
  readonly #writer = new ProtoWriter();
  readonly #tables = new TableWriter();
  readonly #idPrefix = randomBytes(8).toString('hex');
  #records = 0;

  constructor(observer: EncodeObserver, identity: UserIdentity) {
    this.#observer = observer;
    this.#identity = identity;
  }

  *encode(task: EncodeTask): Generator<void, void, void> {
    const { record } = task;
    if (!(record instanceof ScoringRecord)) throw new TypeError('a ScoringLog is made of a ScoringRecord');
    const recordId = `${this.#idPrefix}-${(this.#records++).toString(36)}`;
    try {
      yield* this.#parts(task, record, recordId);
    } finally {
      this.#writer.out.reset();
    }
  }

  *#parts(task: EncodeTask, record: ScoringRecord, recordId: string): Generator<void, void, void> {
    const { rowCount } = record;
    const slateCount = record.slate?.matrix.rowCount ?? 0;
    const whole: Part = { part: 0, isLast: true, firstRow: 0, rows: rowCount, firstSlate: 0, slates: slateCount };
    let size = 0;
    if (rowCount <= mostRows && slateCount <= mostRows) {
      size = yield* this.#part(task, record, recordId, whole);
      if (size === 0) return;
    }
    let part = 0;
    let step = this.#fewer(rowCount, size, task);
    for (let row = 0; row < rowCount; ) {
      const rows = Math.min(step, rowCount - row);
      const isLast = row + rows === rowCount && slateCount === 0;
      const tooLarge = yield* this.#part(task, record, recordId, { part, isLast, firstRow: row, rows, firstSlate: 0, slates: 0 });
      if (tooLarge > 0 && rows > 1) {
        step = this.#fewer(rows, tooLarge, task);
        continue;
      }
      // A gap among the rows tells readers that the request is not whole.
      if (tooLarge > 0) this.#observer.lost(record, 1, 'record_too_large');
      else part++;
      row += rows;
    }
    step = this.#fewer(slateCount, size, task);
    for (let slate = 0; slate < slateCount; ) {
      const slates = Math.min(step, slateCount - slate);
      const isLast = slate + slates === slateCount;
      const tooLarge = yield* this.#part(task, record, recordId, {
        part,
        isLast,
        firstRow: rowCount,
        rows: 0,
        firstSlate: slate,
        slates,
      });
      if (tooLarge > 0 && slates > 1) {
        step = this.#fewer(slates, tooLarge, task);
        continue;
      }
      if (tooLarge === 0) part++;
      slate += slates;
    }
  }

  #fewer(rows: number, size: number, task: EncodeTask): number {
    if (size === 0) return Math.max(1, Math.min(rows, mostRows));
    return Math.max(1, Math.min(Math.floor((rows * task.maxRecordBytes * 0.9) / size), Math.ceil(rows / 2)));
  }

  /** Encodes and hands over a part; returns 0, or its size when it is too large. */
  *#part(task: EncodeTask, record: ScoringRecord, recordId: string, part: Part): Generator<void, number, void> {
    const writer = this.#writer;
    writer.out.reset();
    const { details } = record;
    this.#writeHead(record, recordId, part);
    const room = task.maxRecordBytes - 256;
    writer.number(22, part.firstRow);
    writer.number(23, part.rows);
    for (const source of part.rows === 0 ? [] : sourcesOf(record.matrix, details.targetBlocks)) {
      yield* this.#tables.write(writer, 24, source, part.firstRow, part.firstRow + part.rows, this.#identity);
      if (writer.out.end > room && part.rows > 1) return writer.out.end * 1.5;
    }
    this.#writeErrors(25, details.targetErrors, part.firstRow, part.firstRow + part.rows);
    if (part.slates > 0 && record.slate !== null) {
      this.#writeSlates(record, part);
      for (const source of sourcesOf(record.slate.matrix, details.slateBlocks)) {
        yield* this.#tables.write(writer, 30, source, part.firstSlate, part.firstSlate + part.slates, this.#identity);
      }
      this.#writeErrors(31, details.slateErrors, part.firstSlate, part.firstSlate + part.slates);
    }
    if (writer.out.end > room) return writer.out.end;
    this.#finish(task, record, part.rows);
    return 0;
  }

  #writeHead(record: ScoringRecord, recordId: string, part: Part): void {
    const writer = this.#writer;
    const { plan, details, slate } = record;
    writer.text(1, recordId);
    writer.number(2, part.part);
    writer.flag(3, part.isLast);
    writer.text(4, plan.modelConfigId);
    writer.text(5, plan.configHash);
    writer.number(6, plan.config.cache.version);
    writer.text(7, record.method);
    writer.text(8, record.trackingId);
    writer.text(9, record.tenantId);
    writer.text(10, record.callerId);
    writer.text(11, this.#identity.textOf(record.userId));
    writer.flag(12, this.#identity.form === 'hash' && record.userId !== '');
    for (const [name, value] of record.headers) {
      const header = writer.open(13);
      writer.text(1, name);
      writer.text(2, value);
      writer.close(header);
    }
    writer.number(14, Math.round(record.startedAtMs * 1000));
    writer.number(15, microseconds(record.durationMs));
    writer.number(16, record.rowCount);
    writer.number(17, slate?.matrix.rowCount ?? 0);
    writer.fixed32(18, details.routeHash);
    writer.flag(19, plan.compat);
    for (const name of details.responseColumns) writer.text(20, name);
    if (part.part === 0) for (const outcome of details.components) this.#writeOutcome(outcome);
  }

  #writeOutcome({ componentName, kind, status, reason, startMs, durationMs, defaultedInputs, calls }: ScoringOutcome): void {
    const writer = this.#writer;
    const message = writer.open(21);
    writer.text(1, componentName);
    writer.text(2, kind);
    writer.text(3, status);
    writer.text(4, reason);
    writer.number(5, microseconds(startMs));
    writer.number(6, microseconds(durationMs));
    writer.number(7, defaultedInputs);
    if (calls !== null) {
      const inner = writer.open(8);
      writer.text(1, calls.service);
      writer.text(2, calls.modelName);
      writer.text(3, calls.modelVersion);
      writer.number(4, calls.count);
      writer.number(5, calls.failed);
      writer.number(6, microseconds(calls.totalMs));
      writer.number(7, microseconds(calls.maxMs));
      writer.close(inner);
    }
    writer.close(message);
  }

  #writeErrors(field: number, errors: readonly (Uint8Array | null)[] | null, from: number, to: number): void {
    if (errors === null) return;
    const rowsOf = new Map<Uint8Array, number[]>();
    for (let row = from; row < to; row++) {
      const error = errors[row];
      if (error === null || error === undefined) continue;
      const rows = rowsOf.get(error);
      if (rows === undefined) rowsOf.set(error, [row]);
      else rows.push(row);
    }
    const writer = this.#writer;
    for (const [error, rows] of rowsOf) {
      const message = writer.open(field);
      writer.bytes(1, error);
      const list = writer.open(2);
      for (const row of rows) writer.packed(row);
      writer.close(list);
      writer.close(message);
    }
  }

  #writeSlates(record: ScoringRecord, { firstSlate, slates }: Part): void {
    const { offsets, targets } = record.slate as NonNullable<typeof record.slate>;
    const writer = this.#writer;
    writer.number(26, firstSlate);
    writer.number(27, slates);
    const sizes = writer.open(28);
    for (let slate = firstSlate; slate < firstSlate + slates; slate++)
      writer.packed((offsets[slate + 1] as number) - (offsets[slate] as number));
    writer.close(sizes);
    const members = writer.open(29);
    for (let at = offsets[firstSlate] as number; at < (offsets[firstSlate + slates] as number); at++) writer.packed(targets[at] as number);
    writer.close(members);
  }

  #finish(task: EncodeTask, record: ScoringRecord, rowCount: number): void {
    const { zstd } = task;
    const message = zstd === null ? this.#writer.out.written : zstd.compress(this.#writer.out.written);
    const head = {
      eventId: record.trackingId,
      userId: this.#identity.textOf(record.userId),
      createdAtSeconds: Math.floor(task.createdAtMs / 1000),
      eventName: SCORING_EVENT_NAME,
      typeUrl: SCORING_TYPE_URL,
    };
    this.#observer.encoded({
      ...putEnvelope(head, message.length, (target, at) => {
        target.set(message, at);
        return at + message.length;
      }),
      topic: task.topic,
      modelConfigId: record.plan.modelConfigId,
      trackingId: record.trackingId,
      rowCount,
      format: 'scoring',
      createdAtMs: task.createdAtMs,
      schema: null,
    });
  }
}

function microseconds(ms: number): number {
  return Math.min(Math.round(ms * 1000), 0xffff_ffff);
}

/** The blocks of a matrix that somebody filled, as tables; what headers gave is told apart from what the request gave. */
function sourcesOf(matrix: Matrix, owners: readonly (ScoringBlock | null)[]): TableSource[] {
  const sources: TableSource[] = [];
  for (let index = 0; index < owners.length; index++) {
    const block = matrix.blocks[index];
    const owner = owners[index];
    if (block == null || owner == null) continue;
    const { origin, componentName: component, headerSlots } = owner;
    const slots = block.shape.slots.map((_, slot) => slot);
    const own = headerSlots.length === 0 ? slots : slots.filter((slot) => !headerSlots.includes(slot));
    if (own.length > 0) sources.push({ block, origin: TableOrigin[origin], component, slots: own });
    if (headerSlots.length > 0) sources.push({ block, origin: TableOrigin.header, component, slots: headerSlots });
  }
  return sources;
}
