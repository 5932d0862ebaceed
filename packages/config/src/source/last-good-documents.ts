import { hasErrors } from '../problem.js';
import type { ConfigSnapshot } from '../snapshot.js';
import type { ConfigDocument } from './model-document.js';

/** The documents behind what a snapshot serves: for a model whose newest version is refused, the one before. */
export class LastGoodDocuments {
  #models: ReadonlyMap<string, ConfigDocument> = new Map();
  #service: ConfigDocument | undefined;

  get models(): ReadonlyMap<string, ConfigDocument> {
    return this.#models;
  }

  get service(): ConfigDocument | undefined {
    return this.#service;
  }

  /** Takes over a snapshot and the documents it was built from; false if what serves is as it was. */
  update(snapshot: ConfigSnapshot, documents: ReadonlyMap<string, ConfigDocument>, service: ConfigDocument | undefined): boolean {
    const models = new Map<string, ConfigDocument>();
    let isChanged = false;
    for (const [modelConfigId, { state, config }] of snapshot.models) {
      const before = this.#models.get(modelConfigId);
      const good = state === 'live' ? documents.get(modelConfigId) : before;
      if (config === null || good === undefined) continue;
      models.set(modelConfigId, good);
      isChanged ||= good !== before;
    }
    const goodService = hasErrors(snapshot.serviceProblems) ? this.#service : service;
    isChanged ||= models.size !== this.#models.size || goodService !== this.#service;
    this.#models = models;
    this.#service = goodService;
    return isChanged;
  }
}
