import { writePath } from '../component-paths.js';
import type { ComponentConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { writtenColumns } from '../written-columns.js';
import { readColumns } from './column-reads.js';
import type { LintContext } from './lint-context.js';

/** Columns of a component that are named one by one; the rest is only counted. */
const MAX_NAMED = 20;

/** Columns that are fetched or computed and then neither read, answered nor logged. */
export function lintUnused(context: LintContext): readonly Problem[] {
  const { running } = context;
  // Plugins say in code what they read.
  if (running.some(({ kind }) => kind === 'plugin')) return [];
  const used = usedColumns(context);
  return used === null ? [] : running.flatMap((component) => unusedOf(context, component, used));
}

/** Null if everything is used. */
function usedColumns({ config, running }: LintContext): ReadonlySet<string> | null {
  const { features, idColumn, logFeatures, loggingPercent } = config.response;
  if (loggingPercent > 0 && logFeatures === false) return null;
  const used = new Set([...features, idColumn, ...running.flatMap(readColumns)]);
  if (typeof logFeatures !== 'boolean') for (const name of logFeatures) used.add(name);
  return used;
}

function unusedOf({ config }: LintContext, component: ComponentConfig, used: ReadonlySet<string>): readonly Problem[] {
  // What slates are scored for is looked at with the answer.
  const unused = writtenColumns(component).filter(({ name, scope }) => scope === 'target' && !used.has(name));
  const named = unused.length > MAX_NAMED ? unused.slice(0, 1) : unused;
  return named.map(({ name }) => {
    const more = unused.length > named.length ? `, and so are ${unused.length - 1} more columns of this component` : '';
    const message = `column ${JSON.stringify(name)} of component ${JSON.stringify(component.componentName)} is neither read, answered nor logged${more}`;
    return createProblem('INFERFLOW_CONFIG_UNUSED_COLUMN', writePath(config, component, name), message, { found: name });
  });
}
