import type { Block, BlockOptions, BlockShape, RowSet, Slate } from '@inferflow/matrix';
import type { CallScope } from '@inferflow/transport';
import type { Failure } from './failure.js';
import type { BoundReads, Reads } from './reads.js';
import type { ServiceCalls } from './service-calls.js';
import type { BoundWrites, Writes } from './writes.js';

/** What a component may know of its request. */
export interface RequestInfo {
  readonly modelConfigId: string;
  readonly trackingId: string;
  /** The `user-id` header, or ''. */
  readonly userId: string;
  /** First value of a request header, by lower-case name. */
  header(name: string): string | undefined;
  /** The same for all calls of a request and, where a user or tracking id is given, for all requests with it. 32 bits. */
  readonly routeHash: number;
  /** When the answer is due, on the `performance.now()` clock. */
  readonly deadline: number;
  /** Part of the budget that upstream calls may not use, ms. */
  readonly reserveMs: number;
}

/** How a component with rows of its own wants its block. */
export interface OwnBlockOptions extends BlockOptions {
  /**
   * Another shape of the declared slots, in their order: with vectors in the row whose lengths only the data told (`inlineVectors`).
   * @default the shape of the plan
   */
  readonly shape?: BlockShape;
}

/** What `execute` sees of one request. Everything in it belongs to the run: nothing may be used after the component ended. */
export interface ComponentRun<R extends Reads = Reads, W extends Writes = Writes, S = unknown> {
  readonly reads: BoundReads<R>;
  readonly writes: BoundWrites<W>;
  /**
   * The rows to work on. Everything in `reads` takes positions of this set, 0 … count−1: for a target component the rows of the matrix,
   * for a slate component the targets of all slates, slate after slate.
   */
  readonly rows: RowSet;
  /** The slates, for a slate component: slate s is the positions `offsets[s] … offsets[s + 1] − 1`. Its writes take slate indices. */
  readonly slate: Slate | null;
  /** Private memory of this run; where that is used again, it holds what an earlier request left. */
  readonly state: S;
  readonly request: RequestInfo;
  /** Cancellation and deadline of the request; attach calls to it. */
  readonly scope: CallScope;
  /** The same as a signal, made when first touched. */
  readonly signal: AbortSignal;
  /** The block that this component writes. Throws while there is none. */
  readonly block: Block;
  /** Makes the block of a component that declared `rows: 'own'`. Once. */
  createBlock(rowCount: number, options?: OwnBlockOptions): Block;
  /** For components that call a service: what the full record of the request will say about it. */
  readonly calls: ServiceCalls;
  /**
   * When a call that may take `deadlineMs` must be back: never later than the request's deadline less its reserve. `performance.now()` clock.
   *
   * @param now what the clock said a moment ago, for components that have looked
   */
  callDeadline(deadlineMs: number, now?: number): number;
  /** After {@link PENDING}: the component is finished. Later ends are ignored and counted. */
  done(): void;
  /** After {@link PENDING}: the component failed as a whole; cells not written become `failed`. */
  failed(failure: Failure): void;
  /** The rows at positions from … to−1 have no result; the rest stands. */
  failRows(from: number, to: number, failure: Failure): void;
}
