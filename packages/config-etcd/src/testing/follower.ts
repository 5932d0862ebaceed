import type { ConfigSnapshot, ModelConfig } from '@inferflow/config';

/** What a snapshot serves: id → endpoint of the sample model, for comparison. */
export function serving(snapshot: ConfigSnapshot): Record<string, string> {
  const found: [string, string][] = [];
  for (const [id, { config }] of snapshot.models) if (config !== null) found.push([id, endpointOf(config)]);
  return Object.fromEntries(found.sort(([left], [right]) => (left < right ? -1 : 1)));
}

function endpointOf({ components }: ModelConfig): string {
  const [first] = components;
  return first?.kind === 'predator' ? first.endpoint : '';
}

/** Receives snapshots and waits for one that is as wanted. */
export class Follower {
  current: ConfigSnapshot | null = null;
  readonly snapshots: ConfigSnapshot[] = [];
  readonly #waiting = new Set<() => void>();

  readonly listen = (snapshot: ConfigSnapshot): void => {
    this.current = snapshot;
    this.snapshots.push(snapshot);
    for (const wake of this.#waiting) wake();
  };

  /** Rejects when no snapshot so far or within the time is as wanted. */
  until(isWanted: (snapshot: ConfigSnapshot) => boolean, withinMs = 5000): Promise<ConfigSnapshot> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (this.current === null || !isWanted(this.current)) return;
        this.#waiting.delete(check);
        clearTimeout(timer);
        resolve(this.current);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const state = this.current === null ? 'nothing' : JSON.stringify(serving(this.current));
        reject(new Error(`not within ${withinMs} ms; serving ${state.slice(0, 500)}`));
      }, withinMs);
      this.#waiting.add(check);
      check();
    });
  }
}
