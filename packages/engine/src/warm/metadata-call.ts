import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ServiceBackend } from '@inferflow/components';
import type { UpstreamModel } from '@inferflow/config';
import { ModelMetadataRequestSchema, type ModelMetadataResponse_TensorMetadata, ModelMetadataResponseSchema } from '@inferflow/proto';
import { type CallFailure, type CallHead, GrpcCode, UnaryCall } from '@inferflow/transport';

const PATH = '/inference.GRPCInferenceService/ModelMetadata';
const MAX_ANSWER_BYTES = 1024 * 1024;

/** What became of the question. `unknown`: not answered, or not for this model. `unsupported`: this server never answers it. */
export type MetadataAnswer = UpstreamModel | 'unknown' | 'unsupported';

/**
 * Asks a model server what tensors a model has. Never rejects.
 * @param deadline on the `performance.now()` clock
 */
export function askMetadata(backend: ServiceBackend, modelName: string, version: string, deadline: number): Promise<MetadataAnswer> {
  const body = toBinary(ModelMetadataRequestSchema, create(ModelMetadataRequestSchema, { name: modelName, version }));
  return new Promise((resolve) => {
    const call = new MetadataCall(backend.head(PATH), deadline, body, resolve);
    backend.upstream.start(call);
  });
}

class MetadataCall extends UnaryCall {
  readonly #body: Uint8Array;
  readonly #resolve: (answer: MetadataAnswer) => void;

  constructor(head: CallHead, deadline: number, body: Uint8Array, resolve: (answer: MetadataAnswer) => void) {
    super(head, deadline, MAX_ANSWER_BYTES);
    this.#body = body;
    this.#resolve = resolve;
  }

  get byteLength(): number {
    return this.#body.length;
  }

  write(target: Uint8Array, at: number): void {
    target.set(this.#body, at);
  }

  succeeded(message: Uint8Array): void {
    try {
      const { name, versions, inputs, outputs } = fromBinary(ModelMetadataResponseSchema, message);
      this.#resolve({ name, versions, inputs: inputs.map(toTensor), outputs: outputs.map(toTensor) });
    } catch {
      this.#resolve('unknown');
    }
  }

  failed({ code }: CallFailure): void {
    this.#resolve(code === GrpcCode.UNIMPLEMENTED ? 'unsupported' : 'unknown');
  }
}

function toTensor({ name, datatype, shape }: ModelMetadataResponse_TensorMetadata): UpstreamModel['inputs'][number] {
  return { name, dataType: datatype, shape: shape.map(Number) };
}
