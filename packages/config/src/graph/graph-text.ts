import type { ConfigGraph, GraphEdge } from './config-graph.js';

const shownColumns = 4;

/** The graph as indented text: components by level, what each reads and from whom. */
export function graphText(graph: ConfigGraph): string {
  const lines = [graph.modelConfigId];
  let level = -1;
  for (const component of graph.components) {
    if (component.level !== level) {
      level = component.level;
      lines.push('', `level ${level}`);
    }
    lines.push(`  ${component.componentName}  [${component.kind}] ${component.about}`);
    for (const edge of edgesTo(graph, component.componentName)) lines.push(`    ← ${edge.from}${columnsText(edge.columns)}`);
    if (component.requestColumns.length > 0) lines.push(`    ← request${columnsText(component.requestColumns)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The graph as a Mermaid flow chart. */
export function graphMermaid(graph: ConfigGraph): string {
  const ids = new Map(graph.components.map(({ componentName }, index) => [componentName, `c${index}`]));
  const lines = ['flowchart LR'];
  for (const { componentName, kind, about } of graph.components) {
    const [open, close] = kind === 'predator' ? ['[[', ']]'] : kind === 'feature' ? ['[(', ')]'] : ['[', ']'];
    lines.push(`  ${ids.get(componentName)}${open}"${escaped(componentName)}<br/>${escaped(about)}"${close}`);
  }
  for (const { from, to, columns, isDependency } of graph.edges) {
    const label = columns.length === 0 ? '' : `|"${escaped(shortList(columns, '<br/>'))}"|`;
    lines.push(`  ${ids.get(from)} ${isDependency ? '-->' : '-.->'}${label} ${ids.get(to)}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Edges into a component, in the order they were configured. */
function edgesTo(graph: ConfigGraph, componentName: string): readonly GraphEdge[] {
  return graph.edges.filter((edge) => edge.to === componentName);
}

/** The first few names and how many more there are. */
export function shortList(names: readonly string[], separator: string): string {
  const rest = names.length - shownColumns;
  return rest <= 0 ? names.join(separator) : [...names.slice(0, shownColumns), `… ${rest} more`].join(separator);
}

function columnsText(columns: readonly string[]): string {
  return columns.length === 0 ? '' : `: ${shortList(columns, ', ')}`;
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('"', '&quot;')
    .replaceAll('<br/>', '\u0000')
    .replaceAll('<', '&lt;')
    .replaceAll('\u0000', '<br/>');
}
