import type { ModelConfig } from '../model-config.js';
import { hasErrors, type Problem } from '../problem.js';
import { LONGEST_WARM_MS, type WarmModel } from '../source.js';

/** Results that come within this time are told together. */
const COALESCE_MS = 10;
/** How often what a model server disproved is tried again: the server may have been what was wrong. */
const RETRY_MS = 15_000;

/** A version that is being prepared, or was refused while it was. */
interface Candidate {
  readonly revision: string;
  readonly config: ModelConfig;
  /** When the model began to wait, also if this version has replaced another that was waited for. */
  readonly waitingSince: number;
  /** Problems that came out; null while it is being prepared. */
  verdict: readonly Problem[] | null;
}

/** Times that only tests change, milliseconds. */
export interface WarmingTimes {
  readonly retryMs?: number;
}

/**
 * The newest versions that have been accepted and are being prepared, all at once: one that takes long delays no other model, and none
 * waits longer than `LONGEST_WARM_MS`, not even where a model changes more often than that.
 */
export class WarmingModels {
  readonly #warm: WarmModel;
  readonly #onResult: () => void;
  readonly #retryMs: number;
  readonly #candidates = new Map<string, Candidate>();
  #pending = 0;
  #isClosed = false;
  #telling: NodeJS.Timeout | null = null;
  #retrying: NodeJS.Timeout | null = null;
  #whenIdle: (() => void)[] = [];

  /** @param onResult called soon after verdicts have come in */
  constructor(warm: WarmModel, onResult: () => void, { retryMs = RETRY_MS }: WarmingTimes = {}) {
    this.#warm = warm;
    this.#onResult = onResult;
    this.#retryMs = retryMs;
  }

  /** Begins to prepare a model's newest version; false if there is nothing to wait for. */
  begin(revision: string, config: ModelConfig): boolean {
    const { modelConfigId } = config;
    const before = this.#candidates.get(modelConfigId);
    const now = performance.now();
    const waitingSince = before !== undefined && before.verdict === null ? before.waitingSince : now;
    this.#candidates.delete(modelConfigId);
    const result = this.#isClosed ? null : this.#warm(config);
    if (result === null || now - waitingSince >= LONGEST_WARM_MS) return false;
    const candidate: Candidate = { revision, config, waitingSince, verdict: null };
    this.#candidates.set(modelConfigId, candidate);
    this.#follow(candidate, result);
    return true;
  }

  /** What came out for a version; null while nothing did. */
  verdict(modelConfigId: string, revision: string): readonly Problem[] | null {
    const candidate = this.#candidates.get(modelConfigId);
    // One that is no candidate any more has nothing to wait for.
    return candidate?.revision === revision ? candidate.verdict : [];
  }

  /** The version is dealt with: it serves, or its model is gone. */
  forget(modelConfigId: string): void {
    this.#candidates.delete(modelConfigId);
  }

  /** Forgets the models that are not among these. */
  retain(ids: ReadonlyMap<string, unknown>): void {
    for (const id of this.#candidates.keys()) if (!ids.has(id)) this.#candidates.delete(id);
  }

  /** Resolves when nothing is being prepared. */
  idle(): Promise<void> {
    return this.#pending === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  close(): void {
    this.#isClosed = true;
    this.#candidates.clear();
    for (const timer of [this.#telling, this.#retrying]) if (timer !== null) clearTimeout(timer);
    this.#telling = null;
    this.#retrying = null;
  }

  #follow(candidate: Candidate, result: Promise<readonly Problem[] | null>): void {
    this.#pending++;
    const limit = within(LONGEST_WARM_MS);
    // Whatever goes wrong while preparing proves nothing.
    const guarded = result.catch(() => null);
    void Promise.race([guarded, limit.promise]).then((problems) => {
      limit.clear();
      const before = candidate.verdict;
      candidate.verdict = problems ?? before ?? [];
      const isNews = before === null || !hasErrors(candidate.verdict);
      if (isNews && this.#candidates.get(candidate.config.modelConfigId) === candidate) this.#tell();
      if (hasErrors(candidate.verdict)) this.#retryLater();
      this.#pending--;
      if (this.#pending === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    });
  }

  #tell(): void {
    if (this.#isClosed) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      this.#onResult();
    }, COALESCE_MS);
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    this.#retrying ??= setTimeout(() => {
      this.#retrying = null;
      for (const candidate of this.#candidates.values()) {
        if (candidate.verdict === null || !hasErrors(candidate.verdict)) continue;
        const result = this.#warm(candidate.config);
        if (result !== null) this.#follow(candidate, result);
      }
    }, this.#retryMs);
    this.#retrying.unref();
  }
}

function within(ms: number): { readonly promise: Promise<null>; clear(): void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  return { promise, clear: () => clearTimeout(timer) };
}
