import type { ConfigSnapshot } from '@inferflow/config';
import type {
  InferflowRequestProto,
  InferflowResponseProto,
  PairWiseRequest,
  PairWiseResponse,
  PointWiseRequest,
  PointWiseResponse,
  SlateWiseRequest,
  SlateWiseResponse,
} from '@inferflow/proto';
import type { GrpcStatus, HotMethod } from '@inferflow/transport';
import type { ExplainedPlan } from './compile/explain-plan.js';
import type { EngineError } from './errors.js';
import type { RankRequest, RankResult } from './rank-request.js';

/** The four RPCs of the service. */
export type EngineMethod = 'InferPointWise' | 'InferPairWise' | 'InferSlateWise' | 'RetrieveModelScore';

/** Full gRPC path of each method. */
export const engineMethodPaths: Readonly<Record<EngineMethod, string>> = Object.freeze({
  InferPointWise: '/Predict/InferPointWise',
  InferPairWise: '/Predict/InferPairWise',
  InferSlateWise: '/Predict/InferSlateWise',
  RetrieveModelScore: '/Inferflow/RetrieveModelScore',
});

/** What surrounds a call's message: metadata and how long its caller waits. */
export interface CallInfo {
  /** First value of a header; names are lower case. */
  header(name: string): string | undefined;
  /** All values of a header. */
  headerValues(name: string): readonly string[];
  /** When the caller stops waiting, on the `performance.now()` clock; Infinity = never. */
  readonly deadline: number;
  /** Aborted when the caller gave up. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of an embedder's call. */
export interface CallOptions {
  /** Request metadata such as `user-id`; names are case-insensitive. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Budget of the call in ms. @default the model's, else the engine's */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Maps an engine error to the status that leaves the server; the server owns this mapping. */
export type ToGrpcStatus = (error: EngineError) => GrpcStatus;

/** A running engine. All methods are safe to call at any time; after `close` they fail with `INFERFLOW_ENGINE_NOT_READY`. */
export interface Engine {
  /** @throws EngineError */
  inferPointWise(request: PointWiseRequest, options?: CallOptions): Promise<PointWiseResponse>;
  /** @throws EngineError */
  inferPairWise(request: PairWiseRequest, options?: CallOptions): Promise<PairWiseResponse>;
  /** @throws EngineError */
  inferSlateWise(request: SlateWiseRequest, options?: CallOptions): Promise<SlateWiseResponse>;
  /** @throws EngineError */
  retrieveModelScore(request: InferflowRequestProto, options?: CallOptions): Promise<InferflowResponseProto>;
  /** Ranks plain objects: no protobuf in sight. @throws EngineError */
  rank(modelConfigId: string, request: RankRequest): Promise<RankResult>;
  /** The four RPCs for the one-port server, given its error mapping. */
  hotMethods(toGrpcStatus: ToGrpcStatus): readonly HotMethod[];
  /**
   * The door for transcoded calls (Connect, gRPC-Web, JSON): request message bytes in, response message bytes out
   * (owned by the caller). The request bytes are copied before this returns. Same validation and errors as the hot methods.
   * @throws EngineError
   */
  handle(method: EngineMethod, requestBytes: Uint8Array, call: CallInfo): Promise<Uint8Array>;
  /** How a model runs: blocks, edges and why an edge is not a plain copy. undefined = unknown or refused model. */
  explainPlan(modelConfigId: string): ExplainedPlan | undefined;
  /** The configuration that new requests run on. */
  readonly snapshot: ConfigSnapshot;
  /** Whether the engine can answer at all. */
  readonly ready: boolean;
  /** Why not, or ''. */
  readonly readyReason: string;
  /** Calls the listener after every swap of the snapshot; returns how to stop. What it throws is logged; without a logger, a process warning. */
  onSnapshot(listener: (snapshot: ConfigSnapshot) => void): () => void;
  /** Requests that have not been answered yet. */
  readonly inFlight: number;
  /**
   * Refuses new requests at once, closes the config source, waits up to `graceMs` for the requests in flight and cancels the rest. What was
   * given beside the source stays open. Rejects with what the source throws, after all of that. @default graceMs 5 000
   */
  close(graceMs?: number): Promise<void>;
}
