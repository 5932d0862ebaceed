import type { ComponentBinding } from '@inferflow/components';
import { encodeAbsentColumns } from '@inferflow/proto/hot';
import type { Counter } from '@inferflow/telemetry';
import type { AnswerColumn } from './answer-columns.js';
import type { ModelPlan } from './model-plan.js';

/** Columns that nobody writes and a request of some schema does not send: every reader works with the default of their type. */
export interface AbsentColumns {
  /** Different columns. */
  readonly count: number;
  /** As `Quality` has it. */
  readonly encoded: Uint8Array;
  /** One per reader and column. */
  readonly counters: readonly Counter[];
}

/** Finds them when a plan is bound: requests only count. */
export function findAbsentColumns(
  plan: ModelPlan,
  bindings: readonly (ComponentBinding | null)[],
  answered: readonly AnswerColumn[],
): AbsentColumns {
  const readers: { component: string; columns: string[] }[] = [];
  const add = (component: string, columns: ReadonlySet<string>): void => {
    if (columns.size > 0) readers.push({ component, columns: [...columns] });
  };
  for (const binding of bindings) {
    if (binding === null) continue;
    const columns = new Set<string>();
    for (const { spec, sources } of binding.reads) {
      spec.columns.forEach((column, index) => {
        if (sources[index] === null) columns.add(column);
      });
    }
    add(binding.componentName, columns);
  }
  const written = new Set(plan.components.flatMap(({ shape }) => shape?.slots.map(({ name }) => name) ?? []));
  add('', new Set(answered.filter(({ name, source }) => source === null && !written.has(name)).map(({ name }) => name)));
  return {
    count: new Set(readers.flatMap(({ columns }) => columns)).size,
    encoded: encodeAbsentColumns(readers),
    counters: readers.flatMap(({ component, columns }) => columns.map((column) => plan.metrics.absentColumn(component, column))),
  };
}
