import {
  Block,
  type BlockShape,
  type ColumnRef,
  createBlockShape,
  Layout,
  Matrix,
  MemoryPool,
  type Source,
  sourceOf,
} from '@inferflow/matrix';
import type { EncodeTask } from '../encode/record-encoder.js';
import type { LoggedPlan, LoggedRecord } from '../logged-record.js';
import { type LogSchema, logFeature } from '../schema/log-schema.js';
import type { Zstd } from '../zstd.js';
import type { SentBlock, SentPlan, SentRequest, ThreadInput } from './thread-messages.js';

interface KnownPlan {
  readonly plan: LoggedPlan;
  readonly schema: LogSchema;
  readonly layout: Layout;
  readonly sources: ReadonlyMap<string, Source>;
}

/** Rebuilds requests on the thread that encodes them. */
export class RequestUnpacker {
  readonly #pool = new MemoryPool();
  readonly #shapes = new Map<number, BlockShape>();
  readonly #plans = new Map<number, KnownPlan>();

  /** Takes what is new; before `task`. */
  learn({ shapes, plans, isFresh }: ThreadInput): void {
    if (isFresh) {
      this.#shapes.clear();
      this.#plans.clear();
    }
    for (const { id, slots } of shapes) this.#shapes.set(id, createBlockShape(slots));
    for (const plan of plans) this.#plans.set(plan.id, this.#known(plan));
  }

  /** The task of a request; `record.release` gives its memory back. */
  task(request: SentRequest, chunk: Uint8Array, zstd: Zstd | null): EncodeTask {
    const { plan, schema, layout, sources } = this.#plans.get(request.plan) as KnownPlan;
    const matrix = new Matrix(layout, request.rowCount, this.#pool);
    for (const [index, block] of request.blocks.entries()) if (block !== null) matrix.setBlock(index, this.#block(block, chunk));
    const record = {
      method: '',
      trackingId: request.trackingId,
      userId: request.userId,
      tenantId: '',
      rowCount: request.rowCount,
      durationMs: 0,
      faultyRows: 0,
      failedComponents: 0,
      plan,
      startedAtMs: request.createdAtMs,
      matrix,
      slate: null,
      header: () => undefined,
      isSampled: () => true,
      target: (name: string) => sources.get(name) ?? null,
      slateColumn: () => null,
      release: () => matrix.release(),
    } satisfies LoggedRecord;
    const { parentEntity, format, topic, maxRecordBytes, createdAtMs, isCompressed } = request;
    return { record, parentEntity, schema, format, zstd: isCompressed ? zstd : null, topic, maxRecordBytes, createdAtMs };
  }

  #known(sent: SentPlan): KnownPlan {
    const { modelConfigId, configHash, compat, idColumn, responseFeatures, logBatchSize, version } = sent;
    const response = { features: responseFeatures, idColumn, loggingPercent: 100, logFeatures: false, logBatchSize };
    const config = { modelConfigId, hash: configHash, cache: { version }, components: [], response };
    return {
      plan: { modelConfigId, configHash, compat, config: config as LoggedPlan['config'] },
      schema: { modelConfigId, configHash, version, features: sent.features.map(([name, type]) => logFeature(name, type)) },
      layout: new Layout(sent.shapes.map((id) => (id < 0 ? null : (this.#shapes.get(id) as BlockShape)))),
      sources: new Map(sent.sources.map(([name, first, otherwise]) => [name, sourceOf(first as ColumnRef, otherwise as ColumnRef)])),
    };
  }

  #block(sent: SentBlock, chunk: Uint8Array): Block {
    const { shape, rowCount, rowMapRows, at, length, heapLength, heapEnd, withoutValue, counts } = sent;
    const end = at + length;
    const block = new Block().open(this.#pool, this.#shapes.get(shape) as BlockShape, rowCount, {
      rowMapRows,
      heapBytes: length,
      ...(heapLength >= 0 && { externalHeap: chunk.subarray(end, end + heapLength) }),
    });
    block.memory.bytes.set(chunk.subarray(at, end));
    block.heapEnd = heapEnd;
    block.withoutValue = withoutValue;
    block.counts.set(counts);
    return block;
  }
}
