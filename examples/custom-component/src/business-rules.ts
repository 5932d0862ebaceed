import { component, defineComponent, readColumn, readColumns, writeColumns } from '@inferflow/components';
import { type ColumnReader, DataType } from '@inferflow/matrix';
import { type Condition, parseRulesConfig, type RepeatLimit } from './rules-config.js';

/**
 * Re-ranks by rules of the business: a model's score is multiplied and raised where conditions hold, and no brand (or whatever column is
 * named) fills the top of the list. Rows without a score get none.
 */
export const businessRules = defineComponent({
  type: 'business_rules',
  apiVersion: 1,
  parseConfig: parseRulesConfig,
  create: (config) =>
    component({
      reads: {
        score: readColumn(config.scoreColumn),
        conditions: readColumns(config.rules.map((rule) => rule.when.column)),
        repeated: readColumns(config.repeats === null ? [] : [config.repeats.column]),
      },
      writes: { final: writeColumns({ name: config.outputColumn, type: DataType.FP32 }) },
      execute(run) {
        const { score, conditions, repeated } = run.reads;
        const adjusted = new Float64Array(run.rows.count);
        for (let row = 0; row < run.rows.count; row++) {
          let value = score.number(row);
          config.rules.forEach((rule, index) => {
            if (holds(rule.when, conditions[index] as ColumnReader, row)) value = value * rule.multiply + rule.add;
          });
          adjusted[row] = value;
        }
        const [column] = repeated;
        if (config.repeats !== null && column !== undefined) demoteRepeats(adjusted, column, config.repeats);
        for (let row = 0; row < run.rows.count; row++) {
          if (score.hasValue(row)) run.writes.final.setNumber(row, adjusted[row] as number);
          else run.writes.final.setNull(row);
        }
      },
    }),
});

function holds(condition: Condition, column: ColumnReader, row: number): boolean {
  if (condition.is === 'missing') return !column.hasValue(row);
  if (!column.hasValue(row)) return false;
  if (typeof condition.value === 'string') return column.text(row) === condition.value;
  const value = column.number(row);
  const limit = condition.value ?? 0;
  return condition.is === 'above' ? value > limit : condition.is === 'below' ? value < limit : value === limit;
}

/** Best rows first: the first `keep` of each value keep their score. Equal scores stay in the order of the request. */
function demoteRepeats(scores: Float64Array, column: ColumnReader, { keep, multiply }: RepeatLimit): void {
  const best = Array.from(scores.keys()).sort((left, right) => (scores[right] as number) - (scores[left] as number) || left - right);
  const seen = new Map<string, number>();
  for (const row of best) {
    if (!column.hasValue(row)) continue;
    const value = column.text(row);
    const count = (seen.get(value) ?? 0) + 1;
    seen.set(value, count);
    if (count > keep) scores[row] = (scores[row] as number) * multiply;
  }
}
