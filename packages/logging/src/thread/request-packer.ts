import type { Block, BlockShape, Layout } from '@inferflow/matrix';
import type { EncodeTask } from '../encode/record-encoder.js';
import type { LogSchema } from '../schema/log-schema.js';
import type { SentBlock, SentPlan, SentRequest, SentShape, ThreadInput } from './thread-messages.js';

const chunkBytes = 512 * 1024;
const mostRequests = 64;
const mostPlans = 1000;

/**
 * Packs requests for a thread. Their blocks are copied into one piece of memory, which is then transferred: the pooled memory of a request
 * is back with the pool at once, and nothing is copied by the runtime.
 */
export class RequestPacker {
  readonly #shapeIds = new Map<BlockShape, number>();
  readonly #planIds = new Map<Layout, Map<LogSchema, number>>();
  #nextId = 0;
  #isFresh = false;
  #chunk = new Uint8Array(0);
  #used = 0;
  #shapes: SentShape[] = [];
  #plans: SentPlan[] = [];
  #requests: SentRequest[] = [];

  /** Whether what is packed should go now. */
  get isFull(): boolean {
    return this.#requests.length >= mostRequests || this.#used >= chunkBytes;
  }

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** Adds a request; its buffers are free again when this returns. Returns the bytes it takes. */
  add(id: number, task: EncodeTask): number {
    const { record, format, zstd, topic, maxRecordBytes, createdAtMs, parentEntity } = task;
    const before = this.#used;
    if (this.#requests.length === 0 && this.#nextId > mostPlans) this.#forget();
    const plan = this.#planId(task);
    const blocks = record.matrix.blocks.map((block) => (block === null ? null : this.#block(block)));
    this.#requests.push({
      id,
      plan,
      rowCount: record.rowCount,
      trackingId: record.trackingId,
      userId: record.userId,
      parentEntity,
      format,
      isCompressed: zstd !== null,
      topic,
      maxRecordBytes,
      createdAtMs,
      blocks,
    });
    return this.#used - before;
  }

  /** Hands over what is packed; its chunk is to be transferred. */
  take(): ThreadInput {
    const chunk = this.#chunk.buffer as ArrayBuffer;
    const input = { chunk, shapes: this.#shapes, plans: this.#plans, requests: this.#requests, isFresh: this.#isFresh };
    this.#chunk = new Uint8Array(0);
    this.#used = 0;
    this.#shapes = [];
    this.#plans = [];
    this.#requests = [];
    this.#isFresh = false;
    return input;
  }

  #forget(): void {
    this.#shapeIds.clear();
    this.#planIds.clear();
    this.#nextId = 0;
    this.#isFresh = true;
  }

  #shapeId(shape: BlockShape): number {
    let id = this.#shapeIds.get(shape);
    if (id === undefined) {
      id = this.#nextId++;
      this.#shapeIds.set(shape, id);
      const slots = shape.slots.map(({ name, type, isVariable }, slot) =>
        isVariable ? { name, type } : { name, type, width: shape.widths[slot] as number },
      );
      this.#shapes.push({ id, slots });
    }
    return id;
  }

  #planId({ record, schema }: EncodeTask): number {
    const { layout } = record.matrix;
    let bySchema = this.#planIds.get(layout);
    if (bySchema === undefined) {
      bySchema = new Map();
      this.#planIds.set(layout, bySchema);
    }
    let id = bySchema.get(schema);
    if (id === undefined) {
      id = this.#nextId++;
      bySchema.set(schema, id);
      const { modelConfigId, configHash, compat, config } = record.plan;
      const { response } = config;
      const idColumn = response.idColumn === '' ? (response.features[0] ?? '') : response.idColumn;
      const names = new Set([idColumn, ...schema.features.map(({ name }) => name)]);
      this.#plans.push({
        id,
        modelConfigId,
        configHash,
        compat,
        idColumn,
        responseFeatures: response.features,
        logBatchSize: response.logBatchSize,
        version: schema.version,
        features: schema.features.map(({ name, typeText }) => [name, typeText] as const),
        shapes: layout.shapes.map((shape) => (shape === null ? -1 : this.#shapeId(shape))),
        sources: [...names].flatMap((name) => {
          const source = name === '' ? null : record.target(name);
          return source === null ? [] : [[name, source.first, source.otherwise] as const];
        }),
      });
    }
    return id;
  }

  #block(block: Block): SentBlock {
    const { memory, heap, heapEnd, shape } = block;
    const isOwnHeap = heap === memory.bytes;
    // Behind the status plane and the row map, only the used part of the heap counts.
    const fixedEnd = fixedBytes(block);
    const length = isOwnHeap ? Math.max(heapEnd, fixedEnd) : fixedEnd;
    const heapLength = isOwnHeap ? -1 : heap.byteLength;
    const at = this.#room(length + Math.max(heapLength, 0));
    this.#chunk.set(memory.bytes.subarray(0, length), at);
    if (heapLength > 0) this.#chunk.set(heap, at + length);
    return {
      shape: this.#shapeId(shape),
      rowCount: block.rowCount,
      rowMapRows: block.rowMapRows,
      at,
      length,
      heapLength,
      heapEnd,
      withoutValue: block.withoutValue,
      counts: Array.from(block.counts),
    };
  }

  #room(length: number): number {
    const at = (this.#used + 7) & ~7;
    if (at + length > this.#chunk.length) {
      const next = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(at + length, this.#chunk.length * 2, chunkBytes)).buffer);
      next.set(this.#chunk.subarray(0, this.#used));
      this.#chunk = next;
    }
    this.#used = at + length;
    return at;
  }
}

/** Bytes of a block before its heap. */
function fixedBytes({ statusAt, rowCount, shape, rowMapRows }: Block): number {
  return ((statusAt + (rowCount + 1) * shape.slots.length + 3) & ~3) + rowMapRows * 4;
}
