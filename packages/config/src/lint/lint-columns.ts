import { type ReadMember, readPath } from '../component-paths.js';
import { joinPath } from '../json-path.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { scoreNames } from '../score-names.js';
import type { Steps } from '../steps.js';
import { readColumns, visitReads } from './column-reads.js';
import type { LintContext } from './lint-context.js';
import { isSlip, NearNames } from './near-names.js';

/** Looking for what an unknown name was meant to be takes microseconds. */
const READS_PER_STEP = 200;

/** Columns nobody writes, target components that read slate columns, scores of slate components that are not answered. */
export function* lintColumns(context: LintContext): Steps<readonly Problem[]> {
  const { config } = context;
  const reads = new ReadLint(context);
  for (const component of context.running) {
    const members = new Map<string, ReadMember>();
    visitReads(component, (column, member) => {
      if (!members.has(column)) members.set(column, member);
    });
    let count = 0;
    for (const [column, member] of members) {
      const meant = component.kind === 'feature' && member.kind === 'key' ? component.keys[member.index]?.schema : undefined;
      reads.read(column, () => readPath(config, component, member), component.componentName, meant);
      if (++count % READS_PER_STEP === 0) yield;
    }
  }
  yield;
  return [...reads.problems, ...responseReads(context, reads), ...unansweredSlates(context)];
}

/** Looks at one read after the other; names are only indexed once one of them is written by nobody. */
class ReadLint {
  readonly problems: Problem[] = [];
  readonly #context: LintContext;
  readonly #writers: string;
  #near: NearNames | null = null;
  /** How many readers name a column of the request. */
  #requested: ReadonlyMap<string, number> | null = null;
  #nearRequested: NearNames | null = null;

  constructor(context: LintContext) {
    this.#context = context;
    const hasPlugins = context.config.components.some((component) => component.kind === 'plugin');
    this.#writers = hasPlugins ? 'no component that declares its columns writes it' : 'no component writes it';
  }

  /** @param meant the name that the column would have if it was named like what it is for */
  read(column: string, pathOf: () => string, componentName: string, meant: string | undefined): void {
    const { config, columns, byName } = this.#context;
    if (column === config.response.idColumn) return;
    const facts = columns.get(column);
    if (facts === undefined) {
      this.problems.push(this.fromRequest(column, pathOf(), `component ${JSON.stringify(componentName)}`, meant));
      return;
    }
    const component = byName.get(componentName);
    const isTarget = component?.kind === 'feature' || component?.scope === 'target';
    if (isTarget && facts.scope === 'slate') this.problems.push(slateColumn(column, pathOf(), componentName));
  }

  fromRequest(name: string, path: string, reader: string, meant?: string): Problem {
    const { config, columns, isStrict } = this.#context;
    if (name === '') {
      const severity = isStrict ? 'error' : 'warning';
      return createProblem('INFERFLOW_CONFIG_INVALID_VALUE', path, `${reader} names a column without a name`, { found: '""', severity });
    }
    // The id column is a declared name too.
    this.#near ??= new NearNames(new Set([...columns.keys(), config.response.idColumn]));
    const suggestion = this.#near.near(name) ?? (meant !== undefined && isSlip(name, meant) ? meant : undefined);
    const message = `${reader} reads column ${JSON.stringify(name)}; ${this.#writers}, so it comes from the request`;
    if (suggestion !== undefined) return createProblem('INFERFLOW_CONFIG_LIKELY_TYPO', path, message, { found: name, suggestion });
    const siblings = this.#near.siblings(name);
    if (siblings.length > 0) {
      const [only, ...others] = siblings;
      const details = { found: name, suggestion: others.length === 0 ? only : undefined };
      const instead = others.length === 0 ? '' : `; there are ${listed(siblings)}`;
      return createProblem('INFERFLOW_CONFIG_LIKELY_TYPO', path, `${message}${instead}`, details);
    }
    return createProblem('INFERFLOW_CONFIG_REQUEST_COLUMN', path, message, { found: name, suggestion: this.#commoner(name) });
  }

  /** A column of the request that others read, if this reader is alone with a name next to it. */
  #commoner(name: string): string | undefined {
    this.#requested ??= this.#countRequested();
    if (this.#requested.get(name) !== 1) return undefined;
    this.#nearRequested ??= new NearNames([...this.#requested].flatMap(([column, count]) => (count > 1 ? [column] : [])));
    return this.#nearRequested.near(name);
  }

  #countRequested(): ReadonlyMap<string, number> {
    const { running, columns, config } = this.#context;
    const counts = new Map<string, number>();
    const readers = [...running.map(readColumns), [...new Set(config.response.features)]];
    for (const name of readers.flat()) if (!columns.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }
}

function slateColumn(name: string, path: string, componentName: string): Problem {
  const message = `component ${JSON.stringify(componentName)} works on targets and reads ${JSON.stringify(name)}, which exists for slates only`;
  return createProblem('INFERFLOW_CONFIG_SLATE_COLUMN', path, message, {
    found: name,
    expected: 'a target column, or slate_component: true',
  });
}

function responseReads({ config, columns }: LintContext, reads: ReadLint): readonly Problem[] {
  const { features, logFeatures, idColumn } = config.response;
  const path = '$.response_config.features';
  const firstAt = new Map(features.map((name, index) => [name, index] as const).reverse());
  const isUnknown = (name: string): boolean => name === '' || (name !== idColumn && !columns.has(name));
  const answered =
    features.length === 0
      ? [createProblem('INFERFLOW_CONFIG_EMPTY_ANSWER', path, 'response_config.features is empty: answers hold no columns')]
      : features.flatMap((name, index) => [
          ...(isUnknown(name) ? [reads.fromRequest(name, joinPath(path, index), 'the answer')] : []),
          ...((firstAt.get(name) ?? index) < index ? [repeated(name, joinPath(path, index))] : []),
        ]);
  if (typeof logFeatures === 'boolean') return answered;
  const known = new Set(features);
  const logPath = config.dialect === 'deployed' ? '$.response_config.log_feature_names' : '$.response_config.log_features';
  const logged = logFeatures.flatMap((name, index) =>
    isUnknown(name) && !known.has(name) ? [reads.fromRequest(name, joinPath(logPath, index), 'the log')] : [],
  );
  return [...answered, ...logged];
}

function repeated(name: string, path: string): Problem {
  return createProblem('INFERFLOW_CONFIG_REPEATED', path, `the answer holds column ${JSON.stringify(name)} twice`, { found: name });
}

function listed(names: readonly string[]): string {
  const first = names.slice(0, 5).map((name) => JSON.stringify(name));
  return `${first.join(', ')}${names.length > 5 ? `, … ${names.length - 5} more` : ''}`;
}

function unansweredSlates({ config, running }: LintContext): readonly Problem[] {
  const slates = running.filter((component) => component.kind !== 'feature' && component.kind !== 'plugin' && component.scope === 'slate');
  if (slates.length === 0) return [];
  const used = new Set([...config.response.features, ...config.components.flatMap(readColumns)]);
  return slates.flatMap((component) => {
    const scores = scoreNames(component);
    if (scores.length === 0 || scores.some((score) => used.has(score))) return [];
    const message = `scores of slate component ${JSON.stringify(component.componentName)} (${scores.join(', ')}) are neither answered nor read`;
    return [createProblem('INFERFLOW_CONFIG_SLATE_NOT_ANSWERED', '$.response_config.features', message, { expected: scores.join(', ') })];
  });
}
