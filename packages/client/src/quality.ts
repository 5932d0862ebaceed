import { type Quality as QualityMessage, ComponentOutcome_Status as Status } from '@inferflow/proto';

/** How a component of the model's graph ended. `unknown`: a status newer than this client. */
export type ComponentStatus = 'ok' | 'failed' | 'skipped' | 'abandoned' | 'defaulted' | 'unknown';

/** Outcome of one component. */
export interface ComponentQuality {
  readonly name: string;
  readonly status: ComponentStatus;
  /** Why, for every status but `ok`; otherwise ''. */
  readonly reason: string;
  readonly durationMs: number;
}

/** Stored cells by where their value came from; the last four have no value. */
export interface CellQuality {
  readonly provided: number;
  readonly fresh: number;
  readonly cached: number;
  readonly stale: number;
  readonly defaulted: number;
  readonly missing: number;
  readonly null: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Where the values behind an answer came from. */
export interface Quality {
  readonly components: readonly ComponentQuality[];
  readonly cells: CellQuality;
  /** Model input cells filled with a default, by component; components without any are absent. */
  readonly inputsDefaulted: Readonly<Record<string, number>>;
  /** Hash of the configuration that answered; null unless it was asked for. */
  readonly configHash: string | null;
}

const statusNames: Readonly<Record<number, ComponentStatus>> = {
  [Status.OK]: 'ok',
  [Status.FAILED]: 'failed',
  [Status.SKIPPED]: 'skipped',
  [Status.ABANDONED]: 'abandoned',
  [Status.DEFAULTED]: 'defaulted',
};

/** Plain form of a `Quality` message; null for servers that send none. */
export function toQuality(message: QualityMessage | undefined): Quality | null {
  if (message === undefined) {
    return null;
  }
  const cells = message.cells;
  return {
    components: message.components.map((component) => ({
      name: component.name,
      status: statusNames[component.status] ?? 'unknown',
      reason: component.reason,
      durationMs: component.durationUs / 1000,
    })),
    cells: {
      provided: cells?.provided ?? 0,
      fresh: cells?.fresh ?? 0,
      cached: cells?.cached ?? 0,
      stale: cells?.stale ?? 0,
      defaulted: cells?.defaulted ?? 0,
      missing: cells?.missing ?? 0,
      null: cells?.null ?? 0,
      failed: cells?.failed ?? 0,
      skipped: cells?.skipped ?? 0,
    },
    inputsDefaulted: Object.fromEntries(message.inputsDefaulted.map((entry) => [entry.component, entry.count])),
    configHash: message.configHash === '' ? null : message.configHash,
  };
}
