import { type DescMessage, isMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { EngineError } from './errors.js';

/** What a program without types may get wrong about the options of a call. @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID */
export function checkCallOptions(options: unknown): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) refuse('the options of a call must be an object, such as { deadlineMs: 100 }');
  if ('signal' in options && options.signal !== undefined && !isSignal(options.signal)) refuse('signal must be an AbortSignal');
}

/** One of another realm, or of a library, is as good as Node's. */
function isSignal(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return 'aborted' in value && 'addEventListener' in value && typeof value.addEventListener === 'function';
}

/** A message as bytes. @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID for what is no message of this type, or cannot be written as one */
export function messageBytes<D extends DescMessage>(schema: D, message: MessageShape<D>): Uint8Array {
  if (!isMessage(message, schema)) refuse(`the request must be a ${schema.name}: create(${schema.name}Schema, { … }) makes one`);
  try {
    return toBinary(schema, message);
  } catch (cause) {
    // What it says may hold values of the request.
    return refuse(`the request cannot be written as a ${schema.name}`, cause);
  }
}

function refuse(message: string, cause?: unknown): never {
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', message, { cause });
}
