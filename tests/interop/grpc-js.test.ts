import { create, createFileRegistry, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Inferflow,
  InferflowRequestProtoSchema,
  InferflowResponseProtoSchema,
  PairWiseRequestSchema,
  PairWiseResponseSchema,
  PointWiseRequestSchema,
  PointWiseResponseSchema,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
  SlateWiseRequestSchema,
  SlateWiseResponseSchema,
} from '../../packages/proto/src/index.js';
import { RawGrpc } from './raw-grpc.js';
import { pairRequest, rightTotals, slateRequest, sumRequest, totalsOf, typedRequest } from './requests.js';
import { type ServerUnderTest, startServerUnderTest } from './server-under-test.js';

let server: ServerUnderTest;
let client: RawGrpc;
async function start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
  server = await startServerUnderTest(environment);
  client = new RawGrpc(server.port);
}
async function stop(): Promise<void> {
  client.close();
  await server.close();
}

describe.each([
  ['stock', {}],
  ['lean', { INFERFLOW_LEAN_LISTENER: '1' }],
])('grpc-js by schema, %s listener', (_kind, environment) => {
  beforeAll(() => start(environment));
  afterAll(stop);

  it('gets scores for text and for typed values', async () => {
    for (const request of [sumRequest(), typedRequest()]) {
      const answer = await client.unary('/Predict/InferPointWise', toBinary(PointWiseRequestSchema, request));
      expect(answer.message).toBe('');
      expect(totalsOf(fromBinary(PointWiseResponseSchema, answer.body))).toEqual(rightTotals);
    }
  });

  it('gets pairs and slates', async () => {
    const pairs = await client.unary('/Predict/InferPairWise', toBinary(PairWiseRequestSchema, pairRequest()));
    expect(pairs.message).toBe('');
    expect(fromBinary(PairWiseResponseSchema, pairs.body).pairScores).toHaveLength(1);
    const slates = await client.unary('/Predict/InferSlateWise', toBinary(SlateWiseRequestSchema, slateRequest()));
    expect(slates.message).toBe('');
    expect(fromBinary(SlateWiseResponseSchema, slates.body).slateScores).toHaveLength(1);
  });

  it('gets the text form with RetrieveModelScore', async () => {
    const request = create(InferflowRequestProtoSchema, {
      modelConfigId: 'sum',
      entities: [
        {
          entity: 'item_id',
          ids: ['one', 'two'],
          features: [
            { name: 'a', idsFeatureValue: ['1', '10.5'] },
            { name: 'b', idsFeatureValue: ['2', '20'] },
          ],
        },
      ],
    });
    const answer = await client.unary(`/${Inferflow.typeName}/RetrieveModelScore`, toBinary(InferflowRequestProtoSchema, request));
    expect(answer.message).toBe('');
    const lines = fromBinary(InferflowResponseProtoSchema, answer.body).componentData.map(({ data }) => data.slice(0, 2));
    expect(lines).toEqual([
      ['item_id', 'total'],
      ['one', expect.stringMatching(/^3(\.0+)?$/)],
      ['two', expect.stringMatching(/^30\.50*$/)],
    ]);
  });

  it('answers many calls at once on one connection, each with its own rows', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => {
        const targets = [{ id: `t${index}`, featureValues: [new TextEncoder().encode(String(index)), new TextEncoder().encode('1')] }];
        return client.unary('/Predict/InferPointWise', toBinary(PointWiseRequestSchema, sumRequest({ targets })));
      }),
    );
    expect(answers.map(({ body }) => totalsOf(fromBinary(PointWiseResponseSchema, body))[0])).toEqual(
      Array.from({ length: 100 }, (_, index) => `t${index}=${index + 1}`),
    );
  });

  it('gets DEADLINE_EXCEEDED for a deadline that has passed, UNIMPLEMENTED for an unknown method', async () => {
    const body = toBinary(PointWiseRequestSchema, sumRequest());
    expect((await client.unary('/Predict/InferPointWise', body, {}, { deadline: Date.now() - 1000 })).code).toBe(4);
    expect((await client.unary('/Predict/InferListWise', body)).code).toBe(12);
    expect((await client.unary('/Nobody/Knows', body)).code).toBe(12);
  });
});

describe('grpc-js by reflection, without a schema of its own', () => {
  beforeAll(() => start());
  afterAll(stop);

  it('fetches the schema, builds a request from it and reads the answer with it', async () => {
    const question = create(ServerReflectionRequestSchema, { messageRequest: { case: 'fileContainingSymbol', value: 'Predict' } });
    const [received] = await client.stream('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', [
      toBinary(ServerReflectionRequestSchema, question),
    ]);
    const { messageResponse } = fromBinary(ServerReflectionResponseSchema, received as Buffer);
    if (messageResponse.case !== 'fileDescriptorResponse') throw new Error(`got ${messageResponse.case}`);
    const file = messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: inOrder(file) }));
    const method = registry.getService('Predict')?.method['inferPointWise'];
    if (method === undefined) throw new Error('the service is not there');

    const request = dynamic(method.input, {
      model_config_id: 'sum',
      target_input_schema: [
        { name: 'a', data_type: 14 },
        { name: 'b', data_type: 14 },
      ],
      targets: [{ id: 'one', feature_values: [new TextEncoder().encode('1'), new TextEncoder().encode('2')] }],
    });
    const answer = await client.unary('/Predict/InferPointWise', toBinary(method.input, request));
    expect(answer.message).toBe('');
    const scores = reflect(method.output, fromBinary(method.output, answer.body));
    const field = scores.fields.find(({ name }) => name === 'target_scores');
    const [row] = scores.get(field!) as unknown as Iterable<{ get(field: unknown): Iterable<Uint8Array>; fields: { name: string }[] }>;
    const values = [...row!.get(row!.fields.find(({ name }) => name === 'output_values'))];
    expect(new TextDecoder().decode(values[0])).toBe('one');
    expect(Buffer.from(values[1]!).readFloatLE(0)).toBe(3);
  });
});

/** A message from plain values by field name; what the schema does not know is an error. */
function dynamic(schema: DescMessage, values: Readonly<Record<string, unknown>>): ReturnType<typeof create> {
  const message = reflect(schema);
  for (const [name, value] of Object.entries(values)) {
    const field = schema.fields.find((each) => each.name === name);
    if (field === undefined) throw new Error(`${schema.typeName} has no field ${name}`);
    if (field.fieldKind === 'list') {
      const list = message.get(field) as unknown as { add(item: unknown): void };
      for (const item of value as unknown[]) {
        const isMessage = field.listKind === 'message';
        list.add(isMessage ? reflect(field.message, dynamic(field.message, item as Record<string, unknown>) as never) : item);
      }
    } else message.set(field, value as never);
  }
  return message.message;
}

/** Files after the files they import, which is how a set of descriptors is read. */
function inOrder<File extends { name: string; dependency: string[] }>(files: readonly File[]): File[] {
  const sorted: File[] = [];
  const visit = (file: File | undefined): void => {
    if (file === undefined || sorted.includes(file)) return;
    for (const name of file.dependency) visit(files.find((each) => each.name === name));
    sorted.push(file);
  };
  for (const file of files) visit(file);
  return sorted;
}
