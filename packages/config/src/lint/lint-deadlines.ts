import { settingPath } from '../component-paths.js';
import { type ComponentConfig, FEATURE_INITIALIZER } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import type { LintContext } from './lint-context.js';

/** Budget of a request whose caller and model name none, ms. */
const DEFAULT_BUDGET_MS = 10_000;
/** Part of a budget that is kept for the answer, ms; at most a quarter of the budget. */
const RESERVE_MS = 5;

/** Deadlines of components that together take longer than a request may. */
export function lintDeadlines(context: LintContext): readonly Problem[] {
  const { config, running } = context;
  const budgetMs = config.deadlineMs ?? DEFAULT_BUDGET_MS;
  const usableMs = budgetMs - Math.min(RESERVE_MS, budgetMs / 4);
  const budget = `the request's ${config.deadlineMs === undefined ? 'default ' : ''}${budgetMs} ms, of which ${budgetMs - usableMs} are kept for the answer`;
  const tooLong = running.filter((component) => deadlineOf(component) > usableMs);
  if (tooLong.length > 0) {
    return tooLong.map((component) => {
      const message = `component ${JSON.stringify(component.componentName)} may take ${deadlineOf(component)} ms, longer than ${budget}: its deadline never comes into effect`;
      return createProblem('INFERFLOW_CONFIG_DEADLINE', settingPath(config, component, 'deadline'), message, {
        found: `${deadlineOf(component)} ms`,
        expected: `at most ${usableMs} ms`,
      });
    });
  }
  const chain = longestChain(context);
  const last = chain.components.at(-1);
  if (last === undefined || chain.ms <= usableMs) return [];
  const names = chain.components.map(({ componentName }) => componentName).join(' → ');
  const path = config.deadlineMs === undefined ? settingPath(config, last, 'deadline') : '$.deadline';
  const message = `${names} run one after the other and may take ${chain.ms} ms together, longer than ${budget}: the last of them may be cut short`;
  // What the service or the caller really gives is not known here.
  const severity = config.deadlineMs === undefined ? 'hint' : 'warning';
  return [
    createProblem('INFERFLOW_CONFIG_DEADLINE', path, message, { found: `${chain.ms} ms`, expected: `at most ${usableMs} ms`, severity }),
  ];
}

/** 0 where the service's own deadline counts. */
function deadlineOf(component: ComponentConfig): number {
  return component.kind === 'plugin' ? 0 : (component.deadlineMs ?? 0);
}

interface Chain {
  readonly ms: number;
  readonly components: readonly ComponentConfig[];
}

/** The components that wait for each other and have the longest deadlines together. Of a cycle, which cannot run, any. */
function longestChain({ config, running, byName }: LintContext): Chain {
  const chains = new Map<string, { ms: number; before: string | undefined }>();
  let longest: string | undefined;
  for (const { componentName } of inRunningOrder(running, config.dependencies)) {
    let best = { ms: 0, before: undefined as string | undefined };
    for (const name of config.dependencies[componentName] ?? []) {
      const ms = chains.get(name)?.ms ?? 0;
      if (ms > best.ms) best = { ms, before: name };
    }
    const component = byName.get(componentName);
    const chain = { ms: best.ms + (component === undefined ? 0 : deadlineOf(component)), before: best.before };
    chains.set(componentName, chain);
    if (longest === undefined || chain.ms > (chains.get(longest)?.ms ?? 0)) longest = componentName;
  }
  const components: ComponentConfig[] = [];
  for (let name = longest; name !== undefined; name = chains.get(name)?.before) {
    const component = byName.get(name);
    if (component !== undefined && deadlineOf(component) > 0) components.unshift(component);
  }
  return { ms: longest === undefined ? 0 : (chains.get(longest)?.ms ?? 0), components };
}

/** Each after those it waits for. */
function inRunningOrder(running: readonly ComponentConfig[], dependencies: Readonly<Record<string, readonly string[]>>): ComponentConfig[] {
  const waitingFor = new Map<string, number>();
  const dependents = new Map<string, string[]>();
  const names = new Map(running.map((component) => [component.componentName, component]));
  for (const { componentName } of running) {
    const known = (dependencies[componentName] ?? []).filter((name) => name !== FEATURE_INITIALIZER && names.has(name));
    waitingFor.set(componentName, known.length);
    for (const name of known) dependents.set(name, [...(dependents.get(name) ?? []), componentName]);
  }
  const ready = [...waitingFor].flatMap(([name, count]) => (count === 0 ? [name] : []));
  const sorted: ComponentConfig[] = [];
  for (let name = ready.pop(); name !== undefined; name = ready.pop()) {
    const component = names.get(name);
    if (component !== undefined) sorted.push(component);
    for (const dependent of dependents.get(name) ?? []) {
      const count = (waitingFor.get(dependent) ?? 0) - 1;
      waitingFor.set(dependent, count);
      if (count === 0) ready.push(dependent);
    }
  }
  return sorted;
}
