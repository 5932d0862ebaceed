import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  ModelInferRequestSchema,
  ModelInferResponseSchema,
  NumerixRequestProtoSchema,
  NumerixResponseProtoSchema,
  RetrieveQuerySchema,
  RetrieveResultSchema,
} from '@inferflow/proto';

/** Feature store, models and compute service on one port; every feature, score and result is 1. */
export interface FakeServices {
  readonly port: number;
  /** gRPC status that every call gets instead of an answer; 0 = none. */
  status: number;
  /** Called with each query of features, which is answered once its promise settles. */
  beforeFeatures: () => Promise<void>;
  /** Models whose chunks of one row fail. */
  failSmallChunks: boolean;
  close(): Promise<void>;
}

const featuresPath = '/retrieve.FeatureService/RetrieveFeatures';
const one = new Uint8Array(Float32Array.of(1).buffer);

/** Starts them. */
export async function startFakeServices(): Promise<FakeServices> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  const services: FakeServices = {
    get port() {
      return (server.address() as AddressInfo).port;
    },
    status: 0,
    beforeFeatures: () => Promise.resolve(),
    failSmallChunks: false,
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('stream', (stream, headers) => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('error', () => {});
    stream.on('end', async () => {
      if (headers[':path'] === featuresPath) await services.beforeFeatures();
      const message = Buffer.concat(parts).subarray(5);
      const answer = services.status === 0 ? answerOf(String(headers[':path']), message, services) : services.status;
      if (typeof answer === 'number') {
        const refusal = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(answer), 'grpc-message': 'no' };
        stream.respond(refusal, { endStream: true });
        return;
      }
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      const head = Buffer.alloc(5);
      head.writeUInt32BE(answer.length, 1);
      stream.end(Buffer.concat([head, answer]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return services;
}

function answerOf(path: string, message: Uint8Array, services: FakeServices): Uint8Array | number {
  switch (path) {
    case featuresPath:
      return features(message);
    case '/inference.GRPCInferenceService/ModelInfer':
      return scores(message, services);
    case '/numerix.Numerix/Compute':
      return results(message);
    default:
      return 12;
  }
}

function features(message: Uint8Array): Uint8Array {
  const query = fromBinary(RetrieveQuerySchema, message);
  let columnIdx = 0;
  const featureSchemas = query.featureGroups.map(({ label, featureLabels }) => ({
    featureGroupLabel: label,
    features: featureLabels.map((name) => ({ label: name, columnIdx: columnIdx++ })),
  }));
  const rows = query.keys.map(({ cols }) => ({ keys: cols, columns: Array.from({ length: columnIdx }, () => one) }));
  const { entityLabel, keysSchema } = query;
  return toBinary(RetrieveResultSchema, create(RetrieveResultSchema, { entityLabel, keysSchema, featureSchemas, rows }));
}

function scores(message: Uint8Array, services: FakeServices): Uint8Array | number {
  const request = fromBinary(ModelInferRequestSchema, message);
  const rows = Number(request.inputs[0]?.shape[0] ?? 0);
  if (services.failSmallChunks && rows === 1) return 13;
  const { modelName, modelVersion } = request;
  const outputs = request.outputs.map(({ name }) => ({ name, datatype: 'FP32', shape: [BigInt(rows), 1n] }));
  const rawOutputContents = outputs.map(() => new Uint8Array(new Float32Array(rows).fill(1).buffer));
  return toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, { modelName, modelVersion, outputs, rawOutputContents }));
}

function results(message: Uint8Array): Uint8Array {
  const data = fromBinary(NumerixRequestProtoSchema, message).entityScoreData;
  const computationScores = (data?.entityScores ?? []).map(({ matrixFormat }) => {
    const id = matrixFormat.case === 'byteData' ? matrixFormat.value.values[0] : undefined;
    return { matrixFormat: { case: 'byteData' as const, value: { values: [id ?? new Uint8Array(0), one] } } };
  });
  const value = { schema: [data?.schema[0] ?? '', 'result'], computationScores };
  return toBinary(NumerixResponseProtoSchema, create(NumerixResponseProtoSchema, { response: { case: 'computationScoreData', value } }));
}
