import type { FeatureComponentConfig } from '@inferflow/config';
import type { AnsweredFeature, WalkColumn } from '@inferflow/proto/hot';

/** A feature as it is asked for. */
export interface AskedFeature {
  readonly group: string;
  /** As written in the query, with its `@…` if it has one. */
  readonly label: string;
  /** What the store calls it in its answer. */
  readonly baseLabel: string;
}

// Rows of more columns than that are nobody's answer to a query of ours.
const maxColumn = 1 << 16;

/** The features a component asks for, in the order of its columns. */
export function askedFeatures(config: FeatureComponentConfig): readonly AskedFeature[] {
  return config.columns.map((column) => ({
    group: config.groups[column.group]?.label ?? '',
    label: column.requestLabel,
    baseLabel: baseLabelOf(column.requestLabel),
  }));
}

/** A label with exactly one `@` and something behind it asks for the feature before it in another type. */
function baseLabelOf(label: string): string {
  const parts = label.split('@');
  return parts.length === 2 && parts[1] !== '' ? (parts[0] as string) : label;
}

/**
 * Which slot each answered column belongs to, by group and feature name and the column index the store gives. A store that sends no
 * schema answers in the order of the query. Features that were asked for and are not there get no column.
 */
export function columnsOfAnswer(
  asked: readonly AskedFeature[],
  answered: readonly AnsweredFeature[],
  slotOf: ArrayLike<number>,
): readonly WalkColumn[] {
  if (answered.length === 0) return asked.map((_, index) => ({ slot: slotOf[index] as number }));
  const isTaken = asked.map(() => false);
  const columns: { slot: number }[] = [];
  for (const { group, feature, column } of answered) {
    if (column < 0 || column >= maxColumn) continue;
    // A feature asked for twice is answered twice, in the same order.
    const index = asked.findIndex(
      (entry, at) => !isTaken[at] && entry.group === group && (entry.baseLabel === feature || entry.label === feature),
    );
    if (index < 0) continue;
    isTaken[index] = true;
    while (columns.length <= column) columns.push({ slot: -1 });
    (columns[column] as { slot: number }).slot = slotOf[index] as number;
  }
  return columns;
}
