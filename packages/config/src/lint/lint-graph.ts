import { type ComponentDeclaration, DagErrorCode, findTopologyProblems, KnownNames, type TopologyProblem } from '@inferflow/dag';
import { componentPath, edgePlace, mentionPlace, placePath, type ReadMember, readPath, writePath } from '../component-paths.js';
import { emptyRecord } from '../json.js';
import { joinPath } from '../json-path.js';
import { type ComponentConfig, FEATURE_INITIALIZER, type ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import type { Steps } from '../steps.js';
import { calibrationColumns, writtenColumns } from '../written-columns.js';
import { readColumns, visitReads } from './column-reads.js';
import type { LintContext } from './lint-context.js';

const GRAPH_PATH = '$.dag_execution_config.component_dependency';

/** Cycles, unknown and unused components, columns read before they are written or written twice, edges that look inverted. */
export function* lintGraph(context: LintContext): Steps<readonly Problem[]> {
  const { config, running } = context;
  const declarations = running.map(toDeclaration);
  yield;
  const found = oncePerWriter(
    findTopologyProblems({
      components: [{ componentId: FEATURE_INITIALIZER }, ...declarations],
      dependencies: knownDependencies(config),
      given: calibrationColumns(config.components),
    }),
  );
  yield;
  const inGraph = new Set(running);
  const look: GraphLook = { context, names: new KnownNames(config.order), lastWriters: lastWriters(running, found) };
  return [
    ...found.map(({ problem, columns }) => toProblem(look, problem, columns)),
    ...running.flatMap((component) => ownRepeats(config, component)),
    ...found.flatMap(({ problem }) => invertedEdge(config, problem)),
    ...config.components.filter((component) => !inGraph.has(component)).map((component) => unused(config, component)),
  ];
}

/** A component that does not wait for another is one problem, however many of its columns it reads. */
function oncePerWriter(
  found: readonly TopologyProblem[],
): readonly { readonly problem: TopologyProblem; readonly columns: readonly string[] }[] {
  const entries: { problem: TopologyProblem; columns: string[] }[] = [];
  const byPair = new Map<string, { columns: string[] }>();
  for (const problem of found) {
    const { code, componentId, requiredBy, columnName } = problem;
    const pair =
      code === DagErrorCode.readBeforeWrite && componentId !== requiredBy ? JSON.stringify([componentId, requiredBy]) : undefined;
    const earlier = pair === undefined ? undefined : byPair.get(pair);
    if (earlier !== undefined && columnName !== undefined) {
      earlier.columns.push(columnName);
      continue;
    }
    const entry = { problem, columns: columnName === undefined ? [] : [columnName] };
    if (pair !== undefined) byPair.set(pair, entry);
    entries.push(entry);
  }
  return entries;
}

function toDeclaration(component: ComponentConfig): ComponentDeclaration {
  return {
    componentId: component.componentName,
    reads: readColumns(component),
    writes: writtenColumns(component).map((column) => column.name),
  };
}

/** A name that nobody configured is one problem: where a component waits for it, else where the graph mentions it. */
function knownDependencies(config: ModelConfig): Record<string, readonly string[]> {
  const configured = new Set(config.order);
  const waitedFor = new Set(config.order.flatMap((name) => config.dependencies[name] ?? []));
  const known = emptyRecord<readonly string[]>();
  for (const [name, dependencies] of Object.entries(config.dependencies)) {
    if (configured.has(name)) known[name] = dependencies;
    else if (!waitedFor.has(name)) known[name] = [];
  }
  return known;
}

/** What the problems of one graph share. */
interface GraphLook {
  readonly context: LintContext;
  readonly names: KnownNames;
  /** By column, of those with several writers: more likely the one that came later is the mistake. */
  readonly lastWriters: ReadonlyMap<string, ComponentConfig>;
}

function lastWriters(
  running: readonly ComponentConfig[],
  found: readonly { readonly problem: TopologyProblem }[],
): ReadonlyMap<string, ComponentConfig> {
  const last = new Map<string, ComponentConfig>();
  if (!found.some(({ problem }) => problem.code === DagErrorCode.twoWriters)) return last;
  for (const component of running) for (const { name } of writtenColumns(component)) last.set(name, component);
  return last;
}

function toProblem(look: GraphLook, problem: TopologyProblem, columns: readonly string[]): Problem {
  const { context } = look;
  const { config } = context;
  const { componentId = '', requiredBy, columnName, message } = problem;
  switch (problem.code) {
    case DagErrorCode.cycle:
      return createProblem('INFERFLOW_CONFIG_CYCLE', joinPath(GRAPH_PATH, componentId), message, { found: problem.cyclePath?.join(' → ') });
    case DagErrorCode.unknownComponent:
      return unknownComponent(look, componentId, requiredBy);
    case DagErrorCode.twoWriters:
      return createProblem('INFERFLOW_CONFIG_TWO_WRITERS', writtenAt(look, componentId, columnName), message, { found: columnName });
    case DagErrorCode.readBeforeWrite: {
      const expected =
        requiredBy === componentId
          ? 'a column of another component'
          : `${JSON.stringify(requiredBy)} to run after ${JSON.stringify(componentId)}`;
      const read = firstRead(context, requiredBy ?? componentId, columns.length > 0 ? columns : [columnName ?? '']);
      const text =
        requiredBy === undefined || requiredBy === componentId
          ? message
          : missingEdge(config, componentId, requiredBy, read.columnName, columns.length - 1);
      return createProblem('INFERFLOW_CONFIG_READ_BEFORE_WRITE', read.path, text, { found: read.columnName, expected });
    }
    default:
      return createProblem('INFERFLOW_CONFIG_REFUSED', GRAPH_PATH, message);
  }
}

/** What to write depends on the dialect: it decides which of the two lists the other. */
function missingEdge(config: ModelConfig, writer: string, reader: string, first: string, others: number): string {
  const columns = `${JSON.stringify(first)}${others <= 0 ? '' : ` and ${others} more`}`;
  const [listed, key] = config.dialect === 'documented' ? [reader, writer] : [writer, reader];
  return (
    `component ${JSON.stringify(reader)} reads ${columns}, which ${JSON.stringify(writer)} writes, but does not wait for it; ` +
    `add ${JSON.stringify(listed)} to the list of ${JSON.stringify(key)} in component_dependency`
  );
}

function unknownComponent({ context: { config }, names }: GraphLook, name: string, requiredBy: string | undefined): Problem {
  const who =
    requiredBy === undefined
      ? `the graph mentions ${JSON.stringify(name)}`
      : `component ${JSON.stringify(requiredBy)} waits for ${JSON.stringify(name)}`;
  const path = placePath(config, requiredBy === undefined ? mentionPlace(name) : edgePlace(requiredBy, name));
  const details = { found: name, expected: 'the name of a configured component', suggestion: names.closest(name) };
  return createProblem(
    'INFERFLOW_CONFIG_UNKNOWN_COMPONENT',
    path ?? joinPath(GRAPH_PATH, name),
    `${who}, which is not configured`,
    details,
  );
}

/** A component that writes one column twice; two components are found by the topology check. */
function ownRepeats(config: ModelConfig, component: ComponentConfig): readonly Problem[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name } of writtenColumns(component)) {
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
  }
  return [...repeated].map((name) => {
    const message = `component ${JSON.stringify(component.componentName)} writes column ${JSON.stringify(name)} twice`;
    return createProblem('INFERFLOW_CONFIG_TWO_WRITERS', writePath(config, component, name), message, {
      found: name,
      expected: 'one writer',
    });
  });
}

/** A reader that its writer waits for: the edge points the wrong way. */
function invertedEdge(config: ModelConfig, { code, componentId, requiredBy, columnName }: TopologyProblem): readonly Problem[] {
  if (code !== DagErrorCode.readBeforeWrite || componentId === undefined || requiredBy === undefined) return [];
  if (config.dependencies[componentId]?.includes(requiredBy) !== true) return [];
  const [key, listed] = config.dialect === 'documented' ? [requiredBy, componentId] : [componentId, requiredBy];
  const message = `${JSON.stringify(componentId)} waits for ${JSON.stringify(requiredBy)}, which reads its column ${JSON.stringify(columnName)}; the edge looks inverted`;
  const details = {
    found: `${JSON.stringify(key)}: [${JSON.stringify(listed)}]`,
    expected: `${JSON.stringify(listed)}: [${JSON.stringify(key)}]`,
  };
  const path = placePath(config, edgePlace(componentId, requiredBy)) ?? joinPath(GRAPH_PATH, key);
  return [createProblem('INFERFLOW_CONFIG_INVERTED_EDGE', path, message, details)];
}

function unused(config: ModelConfig, component: ComponentConfig): Problem {
  const message = `component ${JSON.stringify(component.componentName)} is not mentioned in component_dependency, so it never runs`;
  return createProblem('INFERFLOW_CONFIG_UNUSED_COMPONENT', componentPath(config, component), message, { found: component.componentName });
}

/** Where the last of the components that write a column writes it. */
function writtenAt({ context, lastWriters }: GraphLook, componentName: string, columnName: string | undefined): string {
  const { config, byName } = context;
  const component = (columnName === undefined ? undefined : lastWriters.get(columnName)) ?? byName.get(componentName);
  if (component === undefined) return GRAPH_PATH;
  return columnName === undefined ? componentPath(config, component) : writePath(config, component, columnName);
}

/** Where a component first names one of these columns as read. */
function firstRead({ config, byName }: LintContext, componentName: string, columns: readonly string[]) {
  const [columnName = ''] = columns;
  const component = byName.get(componentName);
  if (component === undefined) return { path: GRAPH_PATH, columnName };
  const wanted = new Set(columns);
  const reads: { readonly columnName: string; readonly member: ReadMember }[] = [];
  visitReads(component, (column, member) => {
    if (wanted.has(column) && reads.length === 0) reads.push({ columnName: column, member });
  });
  const [first] = reads;
  return first === undefined
    ? { path: componentPath(config, component), columnName }
    : { path: readPath(config, component, first.member), columnName: first.columnName };
}
