import type { RangeHistogram } from './histogram.js';
import type { ModelComparison } from './model-comparison.js';

/** What a candidate may change before `replay` says no; absent = no limit. */
export interface ReplayLimits {
  /** Rows with a changed, lost or gained score, percent of a model's rows. */
  readonly maxChangedPercent?: number;
  readonly maxDelta?: number;
  /** Mean of Kendall's τ over requests. */
  readonly minTau?: number;
  readonly minOverlap?: number;
  /** Rows with a cell that newly is a default or missing, percent of any column's rows; and inputs newly filled with defaults. */
  readonly maxDefaultedPercent?: number;
  /** Rows whose scores the log cannot tell, percent. */
  readonly maxUnknownPercent?: number;
}

/** Counts of the whole run. */
export interface ReplayTotals {
  records: number;
  unreadable: number;
  incomplete: number;
  requests: number;
  rows: number;
  failed: number;
  /** Requests of models that the candidate does not have. */
  otherModels: number;
  seconds: number;
}

/** The JSON report. */
export interface ReplayReport {
  readonly log: string;
  readonly candidate: string;
  readonly models_from: 'logged' | 'live';
  readonly tolerance: number;
  readonly totals: Readonly<ReplayTotals>;
  readonly models: readonly ModelReport[];
  readonly limits: readonly LimitResult[];
  readonly ok: boolean;
}

/** One limit and what was measured. */
export interface LimitResult {
  readonly name: string;
  readonly model: string;
  readonly limit: number;
  readonly actual: number;
  readonly ok: boolean;
}

/** One model of the report. */
export type ModelReport = ReturnType<typeof modelReport>;

/** Puts the report together. */
export function createReport(
  facts: Pick<ReplayReport, 'log' | 'candidate' | 'models_from' | 'tolerance' | 'totals'>,
  comparisons: readonly ModelComparison[],
  candidateHashes: ReadonlyMap<string, string>,
  top: number,
  limits: ReplayLimits,
): ReplayReport {
  const models = comparisons.map((comparison) => modelReport(comparison, candidateHashes.get(comparison.modelConfigId) ?? '', top));
  const results = models.flatMap((model) => limitResults(model, limits));
  const { failed, unreadable, incomplete } = facts.totals;
  const ok = results.every((result) => result.ok) && failed === 0 && unreadable === 0 && incomplete === 0;
  return { ...facts, models, limits: results, ok };
}

function modelReport(comparison: ModelComparison, candidateHash: string, top: number) {
  const scores = [...comparison.scores.values()].map(({ column, scope, deltas, changed, lost, gained, gone, unknown }) => ({
    column,
    scope,
    rows: deltas.count + lost + gained + gone + unknown,
    changed,
    lost,
    gained,
    gone,
    unknown,
    mean_delta: deltas.mean,
    max_delta: deltas.max,
    quantiles: { p50: deltas.quantile(0.5), p90: deltas.quantile(0.9), p99: deltas.quantile(0.99), p999: deltas.quantile(0.999) },
    decades: deltas.decades(),
  }));
  const columns = [...comparison.columns]
    .map(([key, { rows, newlyDefaulted, newlyWithout, newlyFilled, isNew }]) => {
      const [component = '', name = ''] = splitOnce(key);
      return {
        component,
        name,
        rows,
        newly_defaulted: newlyDefaulted,
        newly_without: newlyWithout,
        newly_filled: newlyFilled,
        is_new: isNew,
      };
    })
    .filter((column) => column.newly_defaulted + column.newly_without + column.newly_filled > 0 || column.is_new);
  const inputs = [...comparison.defaultedInputs]
    .map(([component, { logged, now }]) => ({ component, logged, now }))
    .filter(({ logged, now }) => logged !== now);
  return {
    model_config_id: comparison.modelConfigId,
    candidate_hash: candidateHash,
    logged_hashes: [...comparison.loggedHashes],
    requests: comparison.requests,
    rows: comparison.rows,
    slates: comparison.slates,
    scores,
    ranking: {
      column: comparison.rankColumn,
      requests: comparison.overlap.count,
      tau: rangeReport(comparison.tau),
      top,
      overlap: rangeReport(comparison.overlap),
    },
    columns,
    defaulted_inputs: inputs,
    unknown_because: Object.fromEntries(comparison.unknownReasons),
    failures: Object.fromEntries(comparison.failures),
    worst: comparison.worst,
  };
}

function rangeReport(range: RangeHistogram) {
  if (range.count === 0) return null;
  return { mean: range.mean, min: range.min, p1: range.quantile(0.01), p10: range.quantile(0.1), p50: range.quantile(0.5) };
}

function limitResults(model: ModelReport, limits: ReplayLimits): readonly LimitResult[] {
  const percent = (part: number, whole: number): number => (whole === 0 ? 0 : (part * 100) / whole);
  const worst = (values: readonly number[]): number => Math.max(0, ...values);
  const measured: readonly (readonly [string, number | undefined, number, boolean])[] = [
    [
      'max-changed',
      limits.maxChangedPercent,
      worst(model.scores.map((score) => percent(score.changed + score.lost + score.gained + score.gone, score.rows))),
      true,
    ],
    ['max-delta', limits.maxDelta, worst(model.scores.map(({ max_delta: delta }) => delta)), true],
    ['min-tau', limits.minTau, model.ranking.tau?.mean ?? 1, false],
    ['min-overlap', limits.minOverlap, model.ranking.overlap?.mean ?? 1, false],
    [
      'max-defaulted',
      limits.maxDefaultedPercent,
      worst([
        ...model.columns.map((column) => percent(column.newly_defaulted + column.newly_without, column.rows)),
        ...model.defaulted_inputs.map(({ logged, now }) => percent(Math.max(now - logged, 0), model.rows)),
      ]),
      true,
    ],
    ['max-unknown', limits.maxUnknownPercent, worst(model.scores.map(({ unknown, rows }) => percent(unknown, rows))), true],
  ];
  return measured.flatMap(([name, limit, actual, isMost]) =>
    limit === undefined ? [] : [{ name, model: model.model_config_id, limit, actual, ok: isMost ? actual <= limit : actual >= limit }],
  );
}

function splitOnce(key: string): readonly string[] {
  const at = key.indexOf(' ');
  return [key.slice(0, at), key.slice(at + 1)];
}
