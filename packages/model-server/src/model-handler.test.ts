import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  ModelInferRequestSchema,
  ModelInferResponseSchema,
  ModelMetadataRequestSchema,
  ModelMetadataResponseSchema,
  ModelReadyRequestSchema,
  ModelReadyResponseSchema,
  ServerLiveResponseSchema,
  ServerReadyResponseSchema,
} from '@inferflow/proto';
import type { LocalHandler } from '@inferflow/transport';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLocalModels, type LocalModels } from './local-models.js';
import { createModelHandler, MODEL_INFER_PATH } from './model-handler.js';
import type { Runner } from './runner.js';
import { identityModel, twoInputModel } from './testdata/onnx-models.js';

const signal = () => new AbortController().signal;
const DATATYPES = ['BOOL', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'FP16', 'FP32', 'FP64', 'BYTES'];

/** Answers its input: for tests of the protocol alone. */
function echo(datatype: string): Runner {
  const spec = { datatype, shape: [-1, 2], dimensionNames: ['batch', ''] };
  return {
    platform: 'javascript',
    inputs: [{ name: 'x', ...spec }],
    outputs: [{ name: 'y', ...spec }],
    isReady: true,
    infer: async ([x]) => [{ ...x!, name: 'y' }],
  };
}

let models: LocalModels;
let handler: LocalHandler;
beforeAll(async () => {
  models = await createLocalModels({
    models: [
      { name: 'pair', bytes: twoInputModel() },
      { name: 'copy', version: '1', bytes: identityModel('INT64') },
      { name: 'copy', version: '2', bytes: identityModel('FP32') },
      ...DATATYPES.map((datatype) => ({ name: `echo_${datatype}`, runner: echo(datatype) })),
    ],
  });
  handler = createModelHandler(models);
});
afterAll(() => models.close(0));

type Request = MessageInitShape<typeof ModelInferRequestSchema>;

function encodeRequest(request: Request): Uint8Array {
  return toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, request));
}

async function infer(request: Request) {
  return fromBinary(ModelInferResponseSchema, await handler(MODEL_INFER_PATH, encodeRequest(request), {}, signal));
}

const raw = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer);
const floats = (bytes: Uint8Array | undefined) => [...new Float32Array(bytes!.slice().buffer)];
const input = (name: string, shape: number[], datatype = 'FP32') => ({ name, datatype, shape: shape.map(BigInt) });

describe('createModelHandler', () => {
  it('answers raw with raw, outputs by name in the order asked for', async () => {
    const response = await infer({
      modelName: 'pair',
      id: 'call-7',
      inputs: [input('b', [2, 3]), input('a', [2, 3])],
      outputs: [{ name: 'difference' }, { name: 'sum' }],
      rawInputContents: [raw([1, 1, 1, 1, 1, 1]), raw([1, 2, 3, 4, 5, 6])],
    });
    expect(response).toMatchObject({ modelName: 'pair', modelVersion: '1', id: 'call-7' });
    expect(response.outputs.map(({ name, datatype, shape, contents }) => [name, datatype, shape, contents])).toEqual([
      ['difference', 'FP32', [2n, 3n], undefined],
      ['sum', 'FP32', [2n, 3n], undefined],
    ]);
    expect(response.rawOutputContents.map(floats)).toEqual([
      [0, 1, 2, 3, 4, 5],
      [2, 3, 4, 5, 6, 7],
    ]);
  });

  it('answers listed values with listed values, all outputs when none is named', async () => {
    const response = await infer({
      modelName: 'pair',
      modelVersion: '1',
      inputs: [
        { ...input('a', [1, 3]), contents: { fp32Contents: [1, 2, 3] } },
        { ...input('b', [1, 3]), contents: { fp32Contents: [3, 2, 1] } },
      ],
    });
    expect(response.rawOutputContents).toEqual([]);
    expect(response.outputs.map(({ name, contents }) => [name, contents?.fp32Contents])).toEqual([
      ['sum', [4, 4, 4]],
      ['difference', [-2, 0, 2]],
    ]);
  });

  const listed: Record<string, { field: string; values: readonly unknown[] }> = {
    BOOL: { field: 'boolContents', values: [true, false] },
    INT8: { field: 'intContents', values: [-128, 127] },
    INT16: { field: 'intContents', values: [-32768, 32767] },
    INT32: { field: 'intContents', values: [-(2 ** 31), 2 ** 31 - 1] },
    INT64: { field: 'int64Contents', values: [-(2n ** 63n), 2n ** 63n - 1n] },
    UINT8: { field: 'uintContents', values: [0, 255] },
    UINT16: { field: 'uintContents', values: [0, 65535] },
    UINT32: { field: 'uintContents', values: [0, 2 ** 32 - 1] },
    UINT64: { field: 'uint64Contents', values: [0n, 2n ** 64n - 1n] },
    FP32: { field: 'fp32Contents', values: [1.5, Infinity] },
    FP64: { field: 'fp64Contents', values: [0.1, -0] },
    BYTES: { field: 'bytesContents', values: [Uint8Array.of(0xff), new Uint8Array(0)] },
  };

  it.each(Object.keys(listed))('takes listed %s values and gives them back', async (datatype) => {
    const { field, values } = listed[datatype]!;
    const response = await infer({
      modelName: `echo_${datatype}`,
      inputs: [{ ...input('x', [1, 2], datatype), contents: { [field]: values } }],
    });
    const contents = response.outputs[0]!.contents as unknown as Record<string, unknown[]>;
    expect(contents[field]).toEqual(values);
  });

  it('picks the highest version when none is named', async () => {
    const request = { modelName: 'copy', inputs: [input('x', [1, 2])], rawInputContents: [raw([1, 2])] };
    expect(await infer(request)).toMatchObject({ modelVersion: '2' });
    await expect(infer({ ...request, modelVersion: '1' })).rejects.toMatchObject({ grpcCode: 3 });
    await expect(infer({ ...request, modelVersion: '3' })).rejects.toMatchObject({
      grpcCode: 5,
      message: 'model not found or not loaded: copy version 3; its versions are 1, 2',
    });
  });

  const one = { modelName: 'echo_FP32', inputs: [input('x', [1, 2])], rawInputContents: [raw([1, 2])] };
  it.each<[string, Request, number, string]>([
    ['an unknown model', { ...one, modelName: 'nope' }, 5, 'model not found or not loaded: nope'],
    [
      'fewer raw entries than inputs',
      { ...one, rawInputContents: [raw([1, 2]), raw([1])] },
      3,
      'raw_input_contents has 2 entries for 1 inputs',
    ],
    ['both forms', { ...one, inputs: [{ ...input('x', [1, 2]), contents: { fp32Contents: [1, 2] } }] }, 3, 'contents must be empty'],
    ['neither form', { ...one, rawInputContents: [] }, 3, "Input 'x': expected 8 bytes for FP32 [1,2], got 0"],
    [
      'values in the wrong list',
      { modelName: 'echo_FP32', inputs: [{ ...input('x', [1, 2]), contents: { fp64Contents: [1, 2] } }] },
      3,
      'FP32 values belong in fp32_contents, found some in fp64_contents',
    ],
    [
      'values out of range',
      { modelName: 'echo_INT8', inputs: [{ ...input('x', [1, 2], 'INT8'), contents: { intContents: [1, 200] } }] },
      3,
      'element 1 of int_contents is outside of INT8',
    ],
    [
      'listed FP16',
      { modelName: 'echo_FP16', inputs: [{ ...input('x', [1, 2], 'FP16'), contents: { fp32Contents: [1, 2] } }] },
      3,
      'FP16 values can only be sent in raw_input_contents',
    ],
    ['an unknown datatype', { modelName: 'echo_FP32', inputs: [input('x', [1, 2], 'FP33')] }, 3, "unknown datatype 'FP33'"],
    ['a wrong datatype', { ...one, inputs: [input('x', [1, 2], 'INT32')] }, 3, 'expected datatype FP32, got INT32'],
    ['a shape beyond reason', { ...one, inputs: [{ ...input('x', [1, 2]), shape: [2n ** 62n, 2n] }] }, 3, 'too many elements'],
    ['a negative size', { ...one, inputs: [input('x', [-1, 2])] }, 3, 'negative dimension'],
    [
      'bad BYTES lengths',
      { modelName: 'echo_BYTES', inputs: [input('x', [1, 2], 'BYTES')], rawInputContents: [Uint8Array.of(9, 0, 0, 0, 1)] },
      3,
      'do not fit',
    ],
    [
      'too few BYTES',
      { modelName: 'echo_BYTES', inputs: [input('x', [1, 2], 'BYTES')], rawInputContents: [Uint8Array.of(0, 0, 0, 0)] },
      3,
      'expected 2 BYTES elements for shape [1,2], got 1',
    ],
    ['an unknown output', { ...one, outputs: [{ name: 'z' }] }, 3, 'Unknown output(s): z. Valid outputs: y'],
    [
      'a sequence',
      { ...one, parameters: { sequence_id: { parameterChoice: { case: 'stringParam', value: '1' } } } },
      3,
      'the model is not stateful',
    ],
    [
      'a timeout that is none',
      { ...one, parameters: { timeout: { parameterChoice: { case: 'stringParam', value: '1' } } } },
      3,
      'expected microseconds',
    ],
    [
      'shared memory',
      {
        ...one,
        inputs: [{ ...input('x', [1, 2]), parameters: { shared_memory_region: { parameterChoice: { case: 'stringParam', value: 'r' } } } }],
      },
      3,
      'shared memory is not supported',
    ],
  ])('refuses %s', async (_, request, grpcCode, message) => {
    await expect(infer(request)).rejects.toMatchObject({ grpcCode, message: expect.stringContaining(message) });
  });

  it('describes models and says what is ready', async () => {
    const call = async (method: string, message: Uint8Array) => handler(`/inference.GRPCInferenceService/${method}`, message, {}, signal);
    const metadata = fromBinary(
      ModelMetadataResponseSchema,
      await call('ModelMetadata', toBinary(ModelMetadataRequestSchema, create(ModelMetadataRequestSchema, { name: 'copy' }))),
    );
    expect(metadata).toMatchObject({
      name: 'copy',
      versions: ['1', '2'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1n, 2n] }],
    });
    const ready = (name: string) => call('ModelReady', toBinary(ModelReadyRequestSchema, create(ModelReadyRequestSchema, { name })));
    expect(fromBinary(ModelReadyResponseSchema, await ready('copy')).ready).toBe(true);
    await expect(ready('nope')).rejects.toMatchObject({ grpcCode: 5 });
    expect(fromBinary(ServerReadyResponseSchema, await call('ServerReady', new Uint8Array(0))).ready).toBe(true);
    expect(fromBinary(ServerLiveResponseSchema, await call('ServerLive', new Uint8Array(0))).live).toBe(true);
    await expect(call('ModelStreamInfer', new Uint8Array(0))).rejects.toMatchObject({ grpcCode: 12 });
  });

  it('never crashes on a changed message, and takes only what protobuf-es takes', async () => {
    const valid = encodeRequest({
      modelName: 'echo_FP32',
      id: 'x',
      inputs: [input('x', [2, 2])],
      outputs: [{ name: 'y' }],
      rawInputContents: [raw([1, 2, 3, 4])],
      parameters: { timeout: { parameterChoice: { case: 'int64Param', value: 1_000_000n } } },
    });
    const verdicts = { answered: 0, refused: 0, malformed: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 3 }),
        fc.oneof({ weight: 3, arbitrary: fc.constant(valid.length) }, fc.nat(valid.length)),
        async (edits, cut) => {
          const message = valid.slice(0, cut);
          for (const [at, value] of edits) if (at < cut) message[at] = value;
          let isRequest = true;
          try {
            fromBinary(ModelInferRequestSchema, message);
          } catch {
            isRequest = false;
          }
          try {
            fromBinary(ModelInferResponseSchema, await handler(MODEL_INFER_PATH, message, {}, signal));
            expect(isRequest).toBe(true);
            verdicts.answered++;
          } catch (error) {
            const { grpcCode } = error as { grpcCode?: number };
            expect([3, 4, 5, 13], String(error)).toContain(grpcCode);
            expect(grpcCode === 13).toBe(!isRequest);
            verdicts[isRequest ? 'refused' : 'malformed']++;
          }
        },
      ),
      { numRuns: 2000 },
    );
    for (const count of Object.values(verdicts)) expect(count).toBeGreaterThan(20);
  });
});
