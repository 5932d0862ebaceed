import type { ReadMember } from '../component-paths.js';
import type { ComponentConfig } from '../model-config.js';

/** Calls back for every column that a component names as read, in the order written; a name may come again. */
export function visitReads(component: ComponentConfig, visit: (column: string, member: ReadMember) => void): void {
  switch (component.kind) {
    case 'feature':
      for (const [index, { column }] of component.keys.entries()) visit(column, { kind: 'key', index, feature: 0 });
      return;
    case 'predator':
      for (const [index, input] of component.inputs.entries()) {
        for (const [feature, column] of input.features.entries()) visit(column, { kind: 'input', index, feature });
      }
      return;
    case 'numerix':
      visit(component.componentId, { kind: 'row_id', index: 0, feature: 0 });
      for (const [index, { column }] of component.variables.entries()) visit(column, { kind: 'variable', index, feature: 0 });
      return;
    case 'plugin':
      return;
  }
}

/** Columns that a component reads, each once. */
export function readColumns(component: ComponentConfig): readonly string[] {
  const names = new Set<string>();
  visitReads(component, (column) => names.add(column));
  return [...names];
}
