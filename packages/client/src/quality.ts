import { type OutcomeName, outcomeName, type PlainCellCounts, plainCellCounts, type Quality as QualityMessage } from '@inferflow/proto';

/** How a component of the model's graph ended. `unknown`: a status newer than this client. */
export type ComponentStatus = OutcomeName | 'unknown';

/** Outcome of one component. */
export interface ComponentQuality {
  readonly name: string;
  readonly status: ComponentStatus;
  /** Why, for every status but `ok`; otherwise ''. */
  readonly reason: string;
  readonly durationMs: number;
}

/** Stored cells by where their value came from. */
export type CellQuality = PlainCellCounts;

/** Where the values behind an answer came from. */
export interface Quality {
  readonly components: readonly ComponentQuality[];
  readonly cells: CellQuality;
  /** Model input cells filled with a default, by component; components without any are absent. */
  readonly inputsDefaulted: Readonly<Record<string, number>>;
  /**
   * Columns that no component of the model writes and the request did not send, by the component that reads them; '' = the answer
   * itself. All their cells are missing: models worked with defaults there.
   */
  readonly absentColumns: Readonly<Record<string, readonly string[]>>;
  /** Hash of the configuration that answered; null unless it was asked for. */
  readonly configHash: string | null;
}

/** Plain form of a `Quality` message; null for servers that send none. */
export function toQuality(message: QualityMessage | undefined): Quality | null {
  if (message === undefined) {
    return null;
  }
  return {
    components: message.components.map((component) => ({
      name: component.name,
      status: outcomeName(component.status) ?? 'unknown',
      reason: component.reason,
      durationMs: component.durationUs / 1000,
    })),
    cells: plainCellCounts(message.cells),
    inputsDefaulted: Object.fromEntries(message.inputsDefaulted.map((entry) => [entry.component, entry.count])),
    absentColumns: Object.fromEntries(message.absentColumns.map(({ component, columns }) => [component, columns])),
    configHash: message.configHash === '' ? null : message.configHash,
  };
}
