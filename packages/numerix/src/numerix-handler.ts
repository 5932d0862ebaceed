import { GrpcError, type LocalHandler } from '@inferflow/transport';
import type { ExpressionEngine } from './expression-engine.js';

/** Full method name of the expression service. */
export const COMPUTE_PATH = '/numerix.Numerix/Compute';

const INTERNAL = 13;
const UNIMPLEMENTED = 12;

/** Serves an engine in this process, behind the same interface as a remote expression service. */
export function createNumerixHandler(engine: ExpressionEngine): LocalHandler {
  return (path, message) => {
    if (path !== COMPUTE_PATH) throw new GrpcError(UNIMPLEMENTED, '');
    let reply: Uint8Array;
    try {
      reply = engine.computeReply(message);
    } catch (cause) {
      throw new GrpcError(INTERNAL, `the request is not a NumerixRequestProto: ${cause instanceof Error ? cause.message : ''}`);
    }
    return reply;
  };
}
