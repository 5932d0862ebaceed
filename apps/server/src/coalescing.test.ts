import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { ModelInferRequestSchema, ModelInferResponseSchema, Predict } from '@inferflow/proto';
import { expect, it } from 'vitest';
import { startStockServer } from './testing/stock-server.js';

/** A model server that doubles its input and keeps how many rows each call had, and its metadata but the time it may take. */
async function startDoubler() {
  const rows: number[] = [];
  const metadata = new Set<string>();
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    if (!String(headers[':path']).endsWith('/ModelInfer')) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
      return;
    }
    metadata.add(JSON.stringify({ ...headers, 'grpc-timeout': undefined }));
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part)).on('error', () => {});
    stream.on('end', () => {
      const [raw] = fromBinary(ModelInferRequestSchema, Buffer.concat(parts).subarray(5)).rawInputContents;
      const values = new Float32Array(Uint8Array.from(raw as Uint8Array).buffer).map((value) => value * 2);
      rows.push(values.length);
      const outputs = [{ name: 'y', datatype: 'FP32', shape: [BigInt(values.length), 1n] }];
      const answer = toBinary(
        ModelInferResponseSchema,
        create(ModelInferResponseSchema, { outputs, rawOutputContents: [new Uint8Array(values.buffer)] }),
      );
      const head = Buffer.alloc(5);
      head.writeUInt32BE(answer.length, 1);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.concat([head, answer]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, rows, metadata, close };
}

it('rows of concurrent requests share calls over the wire, each request gets its own scores, and calls are counted as calls', async () => {
  const doubler = await startDoubler();
  const model = {
    request_values: 'text',
    dag_execution_config: { component_dependency: { twice: ['feature_initializer'] } },
    component_config: {
      predator_components: [
        {
          component: 'twice',
          component_id: 'item',
          model_name: 'doubler',
          model_end_point: `127.0.0.1:${doubler.port}`,
          batch_size: 16,
          deadline: 5000,
          coalesce: true,
          coalesce_wait_ms: 20,
          inputs: [{ name: 'x', features: ['a'], shape: [1], data_type: 'FP32' }],
          outputs: [{ name: 'y', model_scores: ['score'], model_scores_dims: [[1]], data_type: 'FP32' }],
        },
      ],
    },
    response_config: { features: ['item', 'score'] },
  };
  const stock = await startStockServer({ twice: model });
  try {
    const client = createClient(Predict, createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` }));
    const ask = async (first: number) => {
      const values = [first, first + 1, first + 2];
      const request = {
        modelConfigId: 'twice',
        targetInputSchema: [{ name: 'a' }],
        targets: values.map((value) => ({ id: `t${value}`, featureValues: [Buffer.from(String(value))] })),
      };
      const headers = { 'user-id': `user-${first}`, 'inferflow-caller-id': `caller-${first}`, 'x-own': `own-${first}` };
      const { targetScores } = await client.inferPointWise(request, { headers });
      expect(targetScores.map(({ outputValues }) => Buffer.from(outputValues[1] ?? []).readFloatLE(0))).toEqual(
        values.map((value) => value * 2),
      );
    };
    await ask(1);
    doubler.rows.length = 0;
    await Promise.all(Array.from({ length: 40 }, (_, index) => ask(index * 10)));
    expect(doubler.rows.reduce((sum, count) => sum + count, 0)).toBe(120);
    expect(doubler.rows.length).toBeLessThan(30);
    expect(Math.max(...doubler.rows)).toBeLessThanOrEqual(16);
    // Requests may share a call because nothing of one is sent along.
    expect([...doubler.metadata]).toHaveLength(1);
    expect([...doubler.metadata][0]).not.toMatch(/user-\d|caller-\d|own-\d/);
    const metrics = await (await fetch(`http://127.0.0.1:${stock.port}/metrics`)).text();
    const calls = /^inferflow_external_api_request_total\{[^}]*component_name="twice"[^}]*\} (\d+)/m.exec(metrics)?.[1];
    expect(Number(calls)).toBe(doubler.rows.length + 1);
  } finally {
    await stock.close();
    await doubler.close();
  }
});
