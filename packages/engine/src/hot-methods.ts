import type { BodyWriter, CallScope, HotMethod, ServerCall } from '@inferflow/transport';
import type { Caller } from './caller.js';
import { type EngineMethod, engineMethodPaths, type ToGrpcStatus } from './engine.js';
import type { EngineError } from './errors.js';
import type { RequestDoor } from './request-door.js';

/** A hot call of the server as the engine sees it. */
class HotCaller implements Caller {
  readonly #call: ServerCall;
  readonly #toGrpcStatus: ToGrpcStatus;

  constructor(call: ServerCall, toGrpcStatus: ToGrpcStatus) {
    this.#call = call;
    this.#toGrpcStatus = toGrpcStatus;
  }

  get scope(): CallScope {
    return this.#call.scope;
  }

  header(name: string): string | undefined {
    return this.#call.header(name);
  }

  headerValues(name: string): readonly string[] {
    return this.#call.headerValues(name);
  }

  respond(body: BodyWriter): void {
    this.#call.respond(body);
  }

  refuse(error: EngineError): void {
    this.#call.fail(this.#toGrpcStatus(error));
  }
}

/** The four RPCs for the one-port server. */
export function createHotMethods(door: RequestDoor, maxMessageBytes: number, toGrpcStatus: ToGrpcStatus): readonly HotMethod[] {
  return Object.entries(engineMethodPaths).map(([method, path]) => ({
    path,
    maxMessageBytes,
    borrowsMessage: true,
    // The table's keys are the methods.
    handle: (call: ServerCall) => door.begin(method as EngineMethod, new HotCaller(call, toGrpcStatus), call.message),
    refusedForRoom: (now: number) => door.refusedForRoom(now),
    sharesRefusals: (now: number) => door.models.isOne(now),
  }));
}
