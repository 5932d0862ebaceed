import { renderTable } from '../render-table.js';
import type { ModelReport, ReplayReport } from './replay-report.js';

/** The report for a terminal. */
export function reportText(report: ReplayReport): string {
  const { totals } = report;
  const lines = [
    `${totals.requests} requests, ${totals.rows} rows in ${totals.seconds.toFixed(1)} s; model outputs: ${report.models_from}`,
    ...(totals.failed > 0 ? [`${totals.failed} requests were refused by the candidate`] : []),
    ...(totals.otherModels > 0 ? [`${totals.otherModels} requests are of models that the candidate does not have`] : []),
    ...(totals.unreadable > 0 ? [`${totals.unreadable} records could not be read`] : []),
    ...(totals.incomplete > 0 ? [`${totals.incomplete} requests are not whole in the log`] : []),
    ...report.models.flatMap(modelLines),
    '',
    ...report.limits
      .filter(({ ok }) => !ok)
      .map(({ name, model, limit, actual }) => `${model}: --${name} ${limit} is broken: ${number(actual)}`),
    report.ok ? 'the candidate answers as the log does, within the limits' : 'the candidate differs from the log',
  ];
  return `${lines.join('\n')}\n`;
}

function modelLines(model: ModelReport): readonly string[] {
  const scores = model.scores.map(
    ({ column, scope, rows, changed, lost, gained, gone, unknown, mean_delta: mean, max_delta: max, quantiles }) => [
      scope === 'slate' ? `${column} (slates)` : column,
      rows,
      changed,
      lost + gone,
      gained,
      unknown,
      number(mean),
      number(quantiles.p50),
      number(quantiles.p99),
      number(max),
    ],
  );
  const { tau, overlap, column, top, requests } = model.ranking;
  return [
    '',
    `${model.model_config_id}: ${model.requests} requests, ${model.rows} rows`,
    renderTable(['score', 'rows', 'changed', 'lost', 'gained', 'unknown', 'mean Δ', 'p50 Δ', 'p99 Δ', 'max Δ'], scores),
    ...(tau === null || overlap === null
      ? []
      : [
          `ranks by ${column}, ${requests} requests: Kendall τ mean ${number(tau.mean)}, p1 ${number(tau.p1)}, min ${number(tau.min)}; top ${top} in common mean ${percent(overlap.mean)}, min ${percent(overlap.min)}`,
        ]),
    ...model.columns.map(
      ({ name, component, newly_defaulted: defaulted, newly_without: without, newly_filled: filled, is_new: isNew, rows }) =>
        `column ${name} of ${component}${isNew ? ' (not in the log)' : ''}: newly defaulted ${defaulted}, without value ${without}, filled ${filled} of ${rows} rows`,
    ),
    ...model.defaulted_inputs.map(
      ({ component, logged, now }) => `inputs of ${component} that were filled with defaults: ${logged} in the log, ${now} now`,
    ),
    ...Object.entries(model.unknown_because).map(
      ([component, reason]) => `unknown because of ${component}: ${reason}; --models live asks the models`,
    ),
    ...Object.entries(model.failures).map(([code, count]) => `refused: ${count} × ${code}`),
  ];
}

/** A number for people. */
export function number(value: number): string {
  if (value === 0 || Number.isInteger(value)) return String(value);
  return Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6 ? value.toExponential(2) : value.toFixed(4);
}

/** A share for people. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
