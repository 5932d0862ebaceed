import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  ModelInferRequestSchema,
  ModelMetadataRequestSchema,
  ModelMetadataResponseSchema,
  ModelReadyRequestSchema,
  ModelReadyResponseSchema,
  ServerLiveResponseSchema,
  ServerMetadataResponseSchema,
  ServerReadyResponseSchema,
} from '@inferflow/proto';
import { GrpcError, type LocalHandler } from '@inferflow/transport';
import { ModelServerError, type ModelServerErrorCode } from './errors.js';
import type { LocalModel, LocalModels } from './local-models.js';
import { readInferRequest, writeInferResponse } from './protocol/infer-messages.js';
import type { TensorSpec } from './tensor.js';

/** Start of every full method name of the V2 inference protocol. */
const SERVICE = '/inference.GRPCInferenceService/';
/** Full method name of an inference. */
export const MODEL_INFER_PATH = `${SERVICE}ModelInfer`;

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;

/** gRPC status of each error, as clients of the protocol expect it. */
const STATUSES: Readonly<Record<ModelServerErrorCode, number>> = {
  INFERFLOW_MODEL_SERVER_MODEL_INVALID: INTERNAL,
  INFERFLOW_MODEL_SERVER_DEPENDENCY_MISSING: INTERNAL,
  INFERFLOW_MODEL_SERVER_MODEL_NOT_FOUND: NOT_FOUND,
  INFERFLOW_MODEL_SERVER_INPUT_INVALID: INVALID_ARGUMENT,
  INFERFLOW_MODEL_SERVER_CANCELLED: 1,
  INFERFLOW_MODEL_SERVER_DEADLINE_EXCEEDED: 4,
  INFERFLOW_MODEL_SERVER_OVERLOADED: 8,
  INFERFLOW_MODEL_SERVER_UNAVAILABLE: 14,
  INFERFLOW_MODEL_SERVER_RUN_FAILED: INTERNAL,
};

/** Serves models of this program behind the same interface as a remote model server: the V2 inference protocol over gRPC messages. */
export function createModelHandler(models: LocalModels): LocalHandler {
  return (path, message, _headers, signal) => {
    switch (path) {
      case MODEL_INFER_PATH:
        return infer(models, message, signal);
      case `${SERVICE}ServerLive`:
        return encode(ServerLiveResponseSchema, { live: true });
      case `${SERVICE}ServerReady`:
        return encode(ServerReadyResponseSchema, { ready: models.isReady });
      case `${SERVICE}ServerMetadata`:
        return encode(ServerMetadataResponseSchema, { name: 'inferflow', version: '2', extensions: [] });
      case `${SERVICE}ModelReady`: {
        const { name, version } = decode(ModelReadyRequestSchema, message);
        return encode(ModelReadyResponseSchema, { ready: found(models, name, version).isReady });
      }
      case `${SERVICE}ModelMetadata`: {
        const { name, version } = decode(ModelMetadataRequestSchema, message);
        return encode(ModelMetadataResponseSchema, metadataOf(models, found(models, name, version)));
      }
      default:
        throw new GrpcError(UNIMPLEMENTED, '');
    }
  };
}

async function infer(models: LocalModels, message: Uint8Array, signal: () => AbortSignal): Promise<Uint8Array> {
  const request = decode(ModelInferRequestSchema, message);
  const model = found(models, request.modelName, request.modelVersion);
  try {
    const call = readInferRequest(request);
    const outputs = await models.infer(model.name, model.version, call.inputs, {
      outputs: call.outputs,
      signal: signal(),
      ...(call.timeoutMs === undefined ? {} : { timeoutMs: call.timeoutMs }),
    });
    return writeInferResponse(request, model, call, outputs);
  } catch (error) {
    throw error instanceof ModelServerError ? new GrpcError(STATUSES[error.code], error.message, error) : error;
  }
}

function found(models: LocalModels, name: string, version: string): LocalModel {
  const model = models.find(name, version);
  if (model !== undefined) return model;
  const versions = models.models.filter((candidate) => candidate.name === name).map((candidate) => candidate.version);
  const hint =
    versions.length > 0
      ? `its versions are ${versions.join(', ')}`
      : `models are ${[...new Set(models.models.map((candidate) => candidate.name))].join(', ')}`;
  throw new GrpcError(NOT_FOUND, `model not found or not loaded: ${name}${version === '' ? '' : ` version ${version}`}; ${hint}`);
}

function metadataOf(models: LocalModels, model: LocalModel): MessageInitShape<typeof ModelMetadataResponseSchema> {
  const tensor = ({ name, datatype, shape }: TensorSpec) => ({ name, datatype, shape: shape.map(BigInt) });
  return {
    name: model.name,
    versions: models.models.filter((candidate) => candidate.name === model.name).map((candidate) => candidate.version),
    platform: model.platform,
    inputs: model.inputs.map(tensor),
    outputs: model.outputs.map(tensor),
  };
}

function decode<Desc extends DescMessage>(schema: Desc, message: Uint8Array): MessageShape<Desc> {
  try {
    return fromBinary(schema, message, { readUnknownFields: false });
  } catch (cause) {
    throw new GrpcError(INTERNAL, `the request is not a ${schema.typeName}: ${cause instanceof Error ? cause.message : ''}`, cause);
  }
}

function encode<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Uint8Array {
  return toBinary(schema, create(schema, init));
}
