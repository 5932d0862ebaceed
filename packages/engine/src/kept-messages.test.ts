import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PairWiseRequestSchema, PairWiseResponseSchema, PointWiseRequestSchema, PointWiseResponseSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { type BodyWriter, CallScope, type GrpcStatus, type HotMethod, type ServerCall } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { RequestRecord } from './log-tap.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { Random } from './testing/random-world.js';
import { readRows, text } from './testing/read-answer.js';

/** What every request is read into, as a listener that lends messages does. */
const readBuffer = new Uint8Array(64 * 1024);

class LentCall implements ServerCall {
  message: Uint8Array = new Uint8Array(0);
  readonly scope: CallScope;
  readonly ended: Promise<Uint8Array | GrpcStatus>;
  hasLeft = false;
  readonly #request: Uint8Array;
  #end: (end: Uint8Array | GrpcStatus) => void = () => {};

  constructor(message: Uint8Array, deadlineMs: number) {
    this.#request = message;
    this.scope = new CallScope(performance.now() + deadlineMs);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** The message is there while the method runs, and not longer. */
  begin(method: HotMethod): void {
    readBuffer.set(this.#request);
    this.message = readBuffer.subarray(0, this.#request.length);
    method.handle(this);
    readBuffer.fill(0xee);
    this.message = new Uint8Array(0);
  }

  /** The caller gives up, unless it has its answer. */
  leave(): void {
    this.hasLeft = this.scope.ended === null;
    this.scope.end('cancelled');
  }

  header(): undefined {
    return undefined;
  }

  headerValues(): readonly string[] {
    return [];
  }

  respond(body: BodyWriter): void {
    const answer = new Uint8Array(body.byteLength);
    body.write(answer, 0);
    this.scope.end('done');
    this.#end(answer);
  }

  fail(status: GrpcStatus): void {
    this.scope.end('done');
    this.#end(status);
  }
}

const config = modelConfig({
  features: [
    featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'price'], string_m: ['DataTypeString', 'shop'] }),
    featureComponent('f_shop', { fp32_s: ['DataTypeFP32', 'rank'] }, { entity: 'shop', keys: [['id', 'it:string_m:shop']] }),
  ],
  models: [modelComponent('ranker', { x: ['FP32', 'it:fp32_m:price', 'shop:fp32_s:rank'] }, { model: 'sum', batchSize: 4 })],
  waits: { f_shop: ['f_item'], ranker: ['f_shop'] },
  answer: ['item', 'score', 'note'],
});
const numberOf = (id: string) => Number(id.slice(1));
const noteOf = (id: string) => `note of ${id} `.repeat(1 + (numberOf(id) % 40));

function pointwise(ids: readonly string[]): Uint8Array {
  return toBinary(
    PointWiseRequestSchema,
    create(PointWiseRequestSchema, {
      modelConfigId: 'm',
      trackingId: `for ${ids[0]}`,
      targetInputSchema: [{ name: 'note' }],
      targets: ids.map((id) => ({ id, featureValues: [text(noteOf(id))] })),
    }),
  );
}

async function openEngine(random: Random, kept: RequestRecord[], isStuck = false) {
  const telemetry = createTelemetry({ prometheus: true, statsd: null });
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, random.below(4)));
  const engine = await createEngine({
    configSource: createObjectSource({ m: config }),
    featureStore: async ({ entity, keys }) => {
      await (isStuck ? new Promise(() => {}) : pause());
      if (random.chance(0.05)) throw new Error('the store is down');
      return keys.map(([id = '']) =>
        entity === 'it' ? { price: numberOf(id), shop: `s${numberOf(id) % 7}` } : { rank: numberOf(id) * 1000 },
      );
    },
    models: {
      sum: async ({ x }, { rowCount }) => {
        await pause();
        const values = x?.data as Float32Array;
        return Array.from({ length: rowCount }, (_, row) => (values[row * 2] ?? 0) + (values[row * 2 + 1] ?? 0));
      },
    },
    featureCacheBytes: 0,
    logTap: {
      wants: () => kept.length < 200,
      taken: (record) => {
        if (record.trackingId === 'for i666') throw new Error('a tap that breaks');
        kept.push(record);
      },
    },
    telemetry,
  });
  const methods = new Map(engine.hotMethods(({ message }) => ({ code: 13, message })).map((method) => [method.path, method]));
  return {
    engine,
    methodOf: (name: string) => methods.get(`/Predict/${name}`) as HotMethod,
    outstanding: async () => Number(/^inferflow_memory_pool_outstanding_bytes (.*)$/m.exec(await telemetry.prometheusText())?.[1]),
    close: async () => {
      await engine.close(0);
      await telemetry.close();
    },
  };
}

describe('messages that are lent only while a method runs', () => {
  it('are read by nobody afterwards: answers and logs hold what their own request asked for, and all memory comes back', async () => {
    const random = new Random(11);
    const kept: RequestRecord[] = [];
    const { methodOf, outstanding, close } = await openEngine(random, kept);
    const method = methodOf('InferPointWise');
    expect(method.borrowsMessage).toBe(true);
    const before = await outstanding();
    const seen = { answered: 0, refused: 0, left: 0 };
    const ask = async (at: number) => {
      const ids = Array.from({ length: 1 + random.below(9) }, (_, row) => `i${at * 10 + row}`);
      const message = pointwise(ids);
      const isBad = random.chance(0.05);
      // Cut short, so that it fails: some before the model is known, some after.
      const call = new LentCall(isBad ? message.subarray(0, message.length - 3) : message, random.chance(0.1) ? random.below(6) : 5000);
      call.begin(method);
      if (random.chance(0.1)) setTimeout(() => call.leave(), random.below(8));
      const end = await call.ended;
      if (!(end instanceof Uint8Array)) {
        seen[call.hasLeft ? 'left' : 'refused']++;
        return;
      }
      expect(isBad).toBe(false);
      seen.answered++;
      const { targetOutputSchema, targetScores } = fromBinary(PointWiseResponseSchema, end);
      readRows({ targetOutputSchema, targetScores }).forEach((row, index) => {
        const id = ids[index] as string;
        expect([row.item, row.note]).toEqual([id, noteOf(id)]);
        if (targetScores[index]?.error === '') expect(row.score).toBe(numberOf(id) + (numberOf(id) % 7) * 1000);
      });
    };
    // Far more at once than are worked on at once: most wait for their turn.
    for (let round = 0; round < 6; round++) await Promise.all(Array.from({ length: 150 }, (_, at) => ask(round * 150 + at)));
    expect(seen.answered).toBeGreaterThan(500);
    expect(Math.min(seen.refused, seen.left)).toBeGreaterThan(20);
    expect(kept).toHaveLength(200);
    for (const record of kept) {
      const [item, note] = ['item', 'note'].map((name) =>
        record.matrix.reader(record.target(name) as NonNullable<ReturnType<typeof record.target>>),
      );
      for (let row = 0; row < record.rowCount; row++) expect(note?.text(row)).toBe(noteOf(item?.text(row) as string));
      expect(record.trackingId).toBe(`for ${item?.text(0)}`);
      record.release();
    }
    expect(await outstanding()).toBe(before);
    await close();
  });

  it('give their memory back when the engine is closed while they wait or run', async () => {
    const { engine, methodOf, outstanding, close } = await openEngine(new Random(12), [], true);
    const before = await outstanding();
    const calls = Array.from({ length: 200 }, (_, at) => new LentCall(pointwise([`i${at}`]), 60_000));
    for (const call of calls) call.begin(methodOf('InferPointWise'));
    expect(await outstanding()).toBeGreaterThan(before);
    await engine.close(0);
    const ends = await Promise.all(calls.map(({ ended }) => ended));
    expect(ends.filter((end) => !(end instanceof Uint8Array))).toHaveLength(200);
    expect(await outstanding()).toBe(before);
    await close();
  });

  it('give their memory back when the log tap throws', async () => {
    const kept: RequestRecord[] = [];
    const { methodOf, outstanding, close } = await openEngine(new Random(14), kept);
    const before = await outstanding();
    const call = new LentCall(pointwise(['i666']), 60_000);
    call.begin(methodOf('InferPointWise'));
    expect(await call.ended).toBeInstanceOf(Uint8Array);
    expect([kept.length, await outstanding()]).toEqual([0, before]);
    await close();
  });

  it('hold what pairs and slates point into as long as what targets do', async () => {
    const kept: RequestRecord[] = [];
    const { methodOf, outstanding, close } = await openEngine(new Random(13), kept);
    const before = await outstanding();
    const message = toBinary(
      PairWiseRequestSchema,
      create(PairWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: [{ name: 'note' }],
        targets: ['i5', 'i6'].map((id) => ({ id, featureValues: [text(noteOf(id))] })),
        pairInputSchema: [{ name: 'of' }],
        pairs: [{ firstTargetIndex: 0, secondTargetIndex: 1, featureValues: [text('five and six')] }],
      }),
    );
    const call = new LentCall(message, 60_000);
    call.begin(methodOf('InferPairWise'));
    const end = await call.ended;
    expect(end).toBeInstanceOf(Uint8Array);
    expect(fromBinary(PairWiseResponseSchema, end as Uint8Array).targetScores).toHaveLength(2);
    const [record] = kept;
    const of = record?.slateColumn('of') ?? null;
    if (record === undefined || record.slate === null || of === null) throw new Error('no pairs were logged');
    for (let at = 0; at < 50; at++) {
      const other = new LentCall(pointwise([`i${at}`]), 60_000);
      other.begin(methodOf('InferPointWise'));
      await other.ended;
    }
    expect(record.slate.matrix.reader(of).text(0)).toBe('five and six');
    for (const each of kept) each.release();
    expect(await outstanding()).toBe(before);
    await close();
  });
});
