import type { Failure } from '@inferflow/components';
import type { EngineError } from '../errors.js';
import type { RequestRun } from './request-run.js';

/** What a run reports to its engine. */
export interface RunObserver {
  /** All components have ended, or the time is up: send the answer. Must not throw; the matrices are valid until it returns. */
  answer(run: RequestRun): void;
  /** There will be no answer; `error` null = the caller is gone and wants none. */
  refused(run: RequestRun, error: EngineError | null): void;
  componentEnded(run: RequestRun, index: number, failure: Failure | null, durationMs: number): void;
  /** Something of a component did, when it was told that the request is over. */
  threw(run: RequestRun, error: unknown): void;
}
