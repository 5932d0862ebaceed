import type { RequestDetails, RequestRecord } from '@inferflow/engine';
import type { ScoringColumnCells, ScoringColumns, ScoringRequest } from '@inferflow/logging/scoring';
import { startsOf } from './rebuild-request.js';

/** A logged request while it runs again. */
export class ReplayEntry {
  readonly request: ScoringRequest;
  readonly slateStarts: readonly number[];
  /** Rows whose model outputs the log cannot tell, because what the model would see is not what it saw. */
  readonly unknownRows = new Set<number>();
  readonly unknownSlates = new Set<number>();
  /** Why, by component. */
  readonly unknownReasons = new Map<string, string>();
  /** The answer's columns; to be released. */
  record: RequestRecord | null = null;
  details: RequestDetails | null = null;

  constructor(request: ScoringRequest) {
    this.request = request;
    this.slateStarts = startsOf(request.slateSizes);
  }

  columns(scope: 'target' | 'slate'): ScoringColumns {
    return scope === 'slate' ? this.request.slates : this.request.targets;
  }

  /** The logged column that a component wrote, under another component's name if need be. */
  written(scope: 'target' | 'slate', component: string, name: string): ScoringColumnCells | undefined {
    const columns = this.columns(scope);
    return columns.ofComponent(component, name) ?? columns.named(name).find((column) => column.component !== '');
  }
}

/** The header that tells which logged request a replayed one is. */
export const REPLAY_HEADER = 'inferflow-replay';

/** Logged requests that run again now. */
export class ReplayEntries {
  readonly #entries = new Map<string, ReplayEntry>();
  #next = 0;

  open(request: ScoringRequest): { readonly id: string; readonly entry: ReplayEntry } {
    const id = String(this.#next++);
    const entry = new ReplayEntry(request);
    this.#entries.set(id, entry);
    return { id, entry };
  }

  /** @throws Error for a request that is not replayed */
  of(request: { header(name: string): string | undefined }): ReplayEntry {
    const entry = this.#entries.get(request.header(REPLAY_HEADER) ?? '');
    if (entry === undefined) throw new Error('this engine only replays logged requests');
    return entry;
  }

  close(id: string): void {
    this.#entries.delete(id);
  }
}
