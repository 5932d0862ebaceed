/** What a rule looks at. */
export interface Condition {
  readonly column: string;
  readonly is: 'above' | 'below' | 'equal' | 'missing';
  /** Number to compare with; text for `equal`. Absent for `missing`. */
  readonly value?: number | string;
}

/** Changes the score of every row that meets its condition. */
export interface Rule {
  readonly when: Condition;
  /** @default 1 */
  readonly multiply: number;
  /** Added after multiplying. @default 0 */
  readonly add: number;
}

/** Keeps one value from filling the top of the list. */
export interface RepeatLimit {
  readonly column: string;
  /** The best rows of a value that keep their score. */
  readonly keep: number;
  /** What the scores of its other rows are multiplied with. */
  readonly multiply: number;
}

/** Configuration of a `business_rules` component. */
export interface RulesConfig {
  readonly scoreColumn: string;
  readonly outputColumn: string;
  readonly rules: readonly Rule[];
  readonly repeats: RepeatLimit | null;
}

const comparisons = ['above', 'below', 'equal', 'missing'] as const;

/** Reads the `config` object of the component in a model configuration. Throws one error that lists everything wrong with it. */
export function parseRulesConfig(raw: unknown): RulesConfig {
  const problems: string[] = [];
  const object = asObject(raw, '$', problems);
  const config: RulesConfig = {
    scoreColumn: text(object['score_column'], '$.score_column', problems),
    outputColumn: text(object['output_column'], '$.output_column', problems),
    rules: list(object['rules'], '$.rules', problems).map((rule, index) => parseRule(rule, `$.rules[${index}]`, problems)),
    repeats: object['repeats'] === undefined ? null : parseRepeats(object['repeats'], problems),
  };
  if (config.scoreColumn !== '' && config.scoreColumn === config.outputColumn) {
    problems.push('$.output_column: must be another column than score_column');
  }
  if (problems.length > 0) throw new TypeError(`business_rules: ${problems.join('; ')}`);
  return config;
}

function parseRule(raw: unknown, path: string, problems: string[]): Rule {
  const object = asObject(raw, path, problems);
  return {
    when: parseCondition(object['when'], `${path}.when`, problems),
    multiply: number(object['multiply'] ?? 1, `${path}.multiply`, problems),
    add: number(object['add'] ?? 0, `${path}.add`, problems),
  };
}

function parseCondition(raw: unknown, path: string, problems: string[]): Condition {
  const object = asObject(raw, path, problems);
  const column = text(object['column'], `${path}.column`, problems);
  const is = comparisons.find((known) => known === object['is']);
  if (is === undefined) problems.push(`${path}.is: expected one of ${comparisons.join(', ')}`);
  if (is === undefined || is === 'missing') return { column, is: 'missing' };
  const { value } = object;
  if (is === 'equal' && typeof value === 'string') return { column, is, value };
  return { column, is, value: number(value, `${path}.value`, problems) };
}

function parseRepeats(raw: unknown, problems: string[]): RepeatLimit {
  const object = asObject(raw, '$.repeats', problems);
  const keep = number(object['keep'], '$.repeats.keep', problems);
  if (!Number.isInteger(keep) || keep < 1) problems.push('$.repeats.keep: expected a whole number of at least 1');
  return {
    column: text(object['column'], '$.repeats.column', problems),
    keep,
    multiply: number(object['multiply'] ?? 0.5, '$.repeats.multiply', problems),
  };
}

function asObject(raw: unknown, path: string, problems: string[]): Readonly<Record<string, unknown>> {
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) return raw as Record<string, unknown>;
  problems.push(`${path}: expected an object`);
  return {};
}

function list(raw: unknown, path: string, problems: string[]): readonly unknown[] {
  if (raw === undefined) return [];
  if (Array.isArray(raw)) return raw;
  problems.push(`${path}: expected a list`);
  return [];
}

function text(raw: unknown, path: string, problems: string[]): string {
  if (typeof raw === 'string' && raw !== '') return raw;
  problems.push(`${path}: expected a column name`);
  return '';
}

function number(raw: unknown, path: string, problems: string[]): number {
  if (typeof raw === 'number' && Number.isFinite(raw)) return raw;
  problems.push(`${path}: expected a number`);
  return 0;
}
