import { GrpcError, type LocalHandler } from '@inferflow/transport';
import type { FeatureStore } from './memory-feature-store.js';
import { MalformedQuery, readQueryHead } from './query.js';
import { planRetrieval, type RetrievalPlan } from './retrieval-plan.js';
import { encodeDecodedResult, encodeResult, findKeys } from './retrieve.js';

/** Full method names that the handler answers. */
export const RETRIEVE_FEATURES_PATH = '/retrieve.FeatureService/RetrieveFeatures';
/** Its sibling that answers texts. */
export const RETRIEVE_DECODED_PATH = '/retrieve.FeatureService/RetrieveDecodedResult';

const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const MAX_PLANS = 64;

/**
 * Serves a store in this process, behind the same interface as a remote one. Answers at once, without a promise; headers are
 * not looked at.
 */
export function createFeatureStoreHandler(store: FeatureStore): LocalHandler {
  const plans = new PlanCache(store);
  return (path, message) => {
    if (path !== RETRIEVE_FEATURES_PATH && path !== RETRIEVE_DECODED_PATH) throw new GrpcError(UNIMPLEMENTED, '');
    try {
      const keys = findKeys(message);
      const plan = plans.find(message, keys.isMixed ? -1 : keys.firstTag);
      return path === RETRIEVE_FEATURES_PATH ? encodeResult(message, plan) : encodeDecodedResult(message, plan);
    } catch (error) {
      if (error instanceof MalformedQuery)
        throw new GrpcError(INTERNAL, 'grpc: error unmarshalling request: the message is no retrieve.Query');
      throw error;
    }
  };
}

/** Plans by the bytes that come before the keys: callers send the same ones again and again. */
class PlanCache {
  readonly #store: FeatureStore;
  readonly #entries: { readonly head: Buffer; readonly plan: RetrievalPlan }[] = [];

  constructor(store: FeatureStore) {
    this.#store = store;
  }

  /** `headLength` −1: something follows the keys, so the head is not in one piece. */
  find(message: Uint8Array, headLength: number): RetrievalPlan {
    if (headLength < 0) return planRetrieval(this.#store, readQueryHead(message));
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index]!;
      if (entry.head.length === headLength && entry.head.compare(message, 0, headLength) === 0) {
        // The most recent ones come first.
        if (index > 0) this.#entries.unshift(...this.#entries.splice(index, 1));
        return entry.plan;
      }
    }
    const head = message.subarray(0, headLength);
    const plan = planRetrieval(this.#store, readQueryHead(head));
    this.#entries.unshift({ head: Buffer.from(head), plan });
    if (this.#entries.length > MAX_PLANS) this.#entries.pop();
    return plan;
  }
}
