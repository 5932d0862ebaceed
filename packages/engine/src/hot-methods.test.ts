import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import {
  InferflowRequestProtoSchema,
  InferflowResponseProtoSchema,
  PointWiseRequestSchema,
  PointWiseResponseSchema,
} from '@inferflow/proto';
import {
  type CallFailure,
  createCallHead,
  createOnePort,
  createUpstream,
  GrpcCode,
  type OnePort,
  UnaryCall,
  type Upstream,
} from '@inferflow/transport';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { Engine } from './engine.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { readRows, text } from './testing/read-answer.js';

class Call extends UnaryCall {
  readonly answer: Promise<Uint8Array | CallFailure>;
  readonly #message: Uint8Array;
  #settle: (answer: Uint8Array | CallFailure) => void = () => {};

  constructor(path: string, message: Uint8Array, timeoutMs: number, metadata: readonly (readonly [string, string])[] = []) {
    super(createCallHead({ path, authority: 'test', metadata }), performance.now() + timeoutMs);
    this.#message = message;
    this.answer = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get byteLength(): number {
    return this.#message.length;
  }

  write(target: Uint8Array, at: number): void {
    target.set(this.#message, at);
  }

  succeeded(message: Uint8Array): void {
    this.#settle(message.slice());
  }

  failed(failure: CallFailure): void {
    this.#settle(failure);
  }
}

let engine: Engine;
let port: OnePort;
let upstream: Upstream;
const waiting: AbortSignal[] = [];
beforeAll(async () => {
  engine = await createEngine({
    configSource: createObjectSource({
      m: modelConfig({ plugins: [plugin('p', 'double', 'v', 'a')], answer: ['item', 'a', 'user_id'] }),
      slow: modelConfig({ plugins: [plugin('p', 'wait', 'v', 'a')], answer: ['item', 'a'] }),
    }),
    registry: registryOf({
      double: (run) => {
        for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row) * 2);
      },
      wait: (run) => {
        waiting.push(run.signal);
        return new Promise(() => {});
      },
    }),
    limits: { maxMessageBytes: 5000 },
  });
});
async function openPort(http2: 'node' | 'lean'): Promise<void> {
  port = createOnePort({
    http2,
    hot: engine.hotMethods(({ kind, message }) => ({
      code: kind === 'invalid_argument' ? GrpcCode.INVALID_ARGUMENT : GrpcCode.DEADLINE_EXCEEDED,
      message,
    })),
    listener: (_request, response) => response.end(),
    maxInFlight: 100,
  });
  const { port: number } = await port.listen(0, '127.0.0.1');
  upstream = createUpstream({ name: 'engine', host: '127.0.0.1', port: number });
}
async function closePort(): Promise<void> {
  await upstream.close(0);
  await port.drain(100);
}
afterAll(() => engine.close(0));

function send(path: string, message: Uint8Array, timeoutMs = 5000, metadata: readonly (readonly [string, string])[] = []): Call {
  const call = new Call(path, message, timeoutMs, metadata);
  upstream.start(call);
  return call;
}
const point = (modelConfigId: string, rows: number) =>
  toBinary(
    PointWiseRequestSchema,
    create(PointWiseRequestSchema, {
      modelConfigId,
      targetInputSchema: [{ name: 'v' }],
      targets: Array.from({ length: rows }, (_, row) => ({ id: `t${row}`, featureValues: [text(String(row))] })),
    }),
  );

describe.each(['node', 'lean'] as const)('hotMethods, %s HTTP/2', (http2) => {
  beforeAll(() => openPort(http2));
  afterAll(closePort);

  it('serve the four methods over gRPC, headers included', async () => {
    const answer = await send('/Predict/InferPointWise', point('m', 2), 5000, [['user-id', 'u7']]).answer;
    expect(readRows(fromBinary(PointWiseResponseSchema, answer as Uint8Array))).toEqual([
      { item: 't0', a: 0, user_id: 'u7' },
      { item: 't1', a: 2, user_id: 'u7' },
    ]);
    const entities = [{ entity: 'item', ids: ['x'], features: [{ name: 'v', idsFeatureValue: ['4'] }] }];
    const message = toBinary(InferflowRequestProtoSchema, create(InferflowRequestProtoSchema, { modelConfigId: 'm', entities }));
    const scored = fromBinary(InferflowResponseProtoSchema, (await send('/Inferflow/RetrieveModelScore', message).answer) as Uint8Array);
    expect(scored.componentData.map(({ data }) => data)).toEqual([
      ['item', 'a', 'user_id'],
      ['x', '8', ''],
    ]);
  });

  it('answer refusals with the status that the server maps them to, and go on', async () => {
    await expect(send('/Predict/InferSlateWise', point('m', 0)).answer).resolves.toMatchObject({
      code: GrpcCode.INVALID_ARGUMENT,
      message: expect.stringContaining('slatewise request must have at least one slate'),
    });
    await expect(send('/Predict/InferPointWise', new Uint8Array(6000)).answer).resolves.toMatchObject({
      code: GrpcCode.RESOURCE_EXHAUSTED,
    });
    await expect(send('/Predict/InferPointWise', Uint8Array.of(255)).answer).resolves.toMatchObject({ code: GrpcCode.INVALID_ARGUMENT });
    await expect(send('/Predict/InferPointWise', point('m', 1)).answer).resolves.toBeInstanceOf(Uint8Array);
  });

  it('answer a slow request within its deadline, and end one whose caller leaves', async () => {
    const answer = await send('/Predict/InferPointWise', point('slow', 1), 1500).answer;
    expect(fromBinary(PointWiseResponseSchema, answer as Uint8Array).targetScores[0]?.error).toContain('p: deadline');
    const left = send('/Predict/InferPointWise', point('slow', 1));
    while (waiting.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    upstream.cancel(left);
    while (engine.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(waiting[1]?.aborted).toBe(true);
  });

  it('keep requests apart that run at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => send('/Predict/InferPointWise', point('m', index + 1)).answer),
    );
    answers.forEach((answer, index) => {
      const rows = readRows(fromBinary(PointWiseResponseSchema, answer as Uint8Array));
      expect(rows.map((row) => row['a'])).toEqual(Array.from({ length: index + 1 }, (_, row) => row * 2));
    });
  });
});
