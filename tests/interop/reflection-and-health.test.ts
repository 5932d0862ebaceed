import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '../../packages/proto/src/index.js';
import { RawGrpc } from './raw-grpc.js';
import { type ServerUnderTest, startServerUnderTest } from './server-under-test.js';

let server: ServerUnderTest;
let client: RawGrpc;
beforeAll(async () => {
  server = await startServerUnderTest({ INFERFLOW_DRAIN_DELAY_MS: '150' });
  client = new RawGrpc(server.port);
});
afterAll(async () => {
  client.close();
  await server.close();
});

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;

// Both versions have the same messages; only the path differs.
describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const ask = async (...requests: Parameters<typeof create<typeof ServerReflectionRequestSchema>>[1][]) => {
    const received = await client.stream(
      path,
      requests.map((request) => toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, request))),
    );
    return received.map((bytes) => fromBinary(ServerReflectionResponseSchema, bytes));
  };

  it('lists all services', async () => {
    const [answer] = await ask({ messageRequest: { case: 'listServices', value: '' } });
    if (answer?.messageResponse.case !== 'listServicesResponse') throw new Error(`got ${answer?.messageResponse.case}`);
    expect(answer.messageResponse.value.service.map(({ name }) => name).sort()).toEqual([
      'Inferflow',
      'Predict',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
  });

  it.each([
    'Predict',
    'Predict.InferPointWise',
    'PointWiseRequest',
    'PointWiseRequest.targets',
    'Inferflow',
    'grpc.health.v1.Health',
    'google.rpc.BadRequest',
  ])('gives the file of the symbol %s with everything it imports', async (symbol) => {
    const [answer] = await ask({ messageRequest: { case: 'fileContainingSymbol', value: symbol } });
    if (answer?.messageResponse.case !== 'fileDescriptorResponse') throw new Error(`got ${answer?.messageResponse.case}`);
    const files = answer.messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const names = files.map(({ name }) => name);
    for (const file of files) for (const imported of file.dependency) expect(names).toContain(imported);
  });

  it('gives a file by name, answers in order, and says NOT_FOUND for what it does not know', async () => {
    const answers = await ask(
      { messageRequest: { case: 'fileByFilename', value: 'predict.proto' } },
      { messageRequest: { case: 'fileContainingSymbol', value: 'nobody.Knows' } },
      { messageRequest: { case: 'listServices', value: '' } },
    );
    expect(answers.map(({ messageResponse }) => messageResponse.case)).toEqual([
      'fileDescriptorResponse',
      'errorResponse',
      'listServicesResponse',
    ]);
    const error = answers[1]?.messageResponse;
    expect(error?.case === 'errorResponse' && error.value.errorCode).toBe(5);
  });
});

describe('grpc.health.v1', () => {
  it.each([
    ['', SERVING],
    ['Predict', SERVING],
    ['Inferflow', SERVING],
  ])('check of "%s" over grpc-js', async (service, status) => {
    const body = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema, { service }));
    const answer = await client.unary('/grpc.health.v1.Health/Check', body);
    expect(answer.message).toBe('');
    expect(fromBinary(HealthCheckResponseSchema, answer.body).status).toBe(status);
  });

  it.each([
    ['gRPC', () => createGrpcTransport({ baseUrl: server.url })],
    ['Connect over HTTP/2', () => createConnectTransport({ baseUrl: server.url, httpVersion: '2' })],
    ['Connect over HTTP/1.1', () => createConnectTransport({ baseUrl: server.url, httpVersion: '1.1' })],
  ])('check and watch over %s', async (_, transport) => {
    const health = createClient(Health, transport());
    expect((await health.check({ service: 'Predict' })).status).toBe(SERVING);
    const error = await health.check({ service: 'nobody' }).catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toBeInstanceOf(ConnectError);
    expect((error as ConnectError).code).toBe(Code.NotFound);
    for await (const { status } of health.watch({ service: 'nobody' })) {
      expect(status).toBe(SERVICE_UNKNOWN);
      break;
    }
    for await (const { status } of health.watch({ service: '' })) {
      expect(status).toBe(SERVING);
      break;
    }
  });

  it('a watch learns at once that the server is going away', async () => {
    const going = await startServerUnderTest({ INFERFLOW_DRAIN_DELAY_MS: '200' });
    const health = createClient(Health, createGrpcTransport({ baseUrl: going.url }));
    const seen: number[] = [];
    let closing: Promise<void> | undefined;
    for await (const { status } of health.watch({ service: 'Predict' })) {
      seen.push(status);
      closing ??= going.close();
      if (status === NOT_SERVING) break;
    }
    await closing;
    expect(seen).toEqual([SERVING, NOT_SERVING]);
  });
});
