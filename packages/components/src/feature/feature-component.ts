import type { FeatureComponentConfig } from '@inferflow/config';
import { type Block, DataType, type IdentityTable, type RowSet } from '@inferflow/matrix';
import { configOfKind } from '../built-in-config.js';
import type { ComponentRun, OwnBlockOptions } from '../component-run.js';
import { type Component, type ComponentDeps, component, defineComponent, PENDING } from '../define-component.js';
import { ComponentError } from '../errors.js';
import { type KeysRead, readKeys } from '../reads.js';
import { type ColumnsWrite, writeColumns } from '../writes.js';
import { putCompositeKeys } from './composite-key.js';
import { FeatureLookup } from './feature-lookup.js';
import { FeatureSource } from './feature-source.js';

/** @internal What a feature component sees of a request. */
export type FeatureRun = ComponentRun<{ keys: KeysRead }, { features: ColumnsWrite }, FeatureLookup | null>;

/** Fetches features of the entity that the rows' keys name, each different key once. */
export const featureDefinition = defineComponent<FeatureComponentConfig>({
  type: 'feature',
  apiVersion: 1,
  parseConfig: (raw) => configOfKind(raw, 'feature'),
  create: createFeatureComponent,
});

function createFeatureComponent(config: FeatureComponentConfig, deps: ComponentDeps): Component {
  if (config.keys.length === 0) {
    throw new ComponentError('INFERFLOW_COMPONENTS_CONFIG_INVALID', `${deps.componentName}: a feature component needs at least one key`, {
      path: '$.keys',
    });
  }
  const columns = config.columns.map((column) => ({ name: column.name, type: column.dataType }));
  if (config.compositeId) columns.push({ name: config.componentId, type: DataType.String });
  if (columns.length === 0) return component({ reads: {}, writes: {}, execute() {} });
  const source = config.columns.length === 0 ? null : createSource(config, deps);
  return component({
    reads: { keys: readKeys({ columns: config.keys.map((key) => key.column) }) },
    writes: { features: writeColumns(columns, { rows: 'own' }) },
    createState: () => (source === null ? null : new FeatureLookup(source)),
    execute(run) {
      const table = run.reads.keys.identities();
      const block = createRows(run, table, source?.layouts.learnedShape);
      if (table.uniqueCount > 0 && run.state !== null) {
        run.state.start(run, table, block);
        return PENDING;
      }
      if (config.compositeId) putCompositeKeys(block, run.writes.features.slots[columns.length - 1] as number, table);
      return undefined;
    },
    reusesRun: true,
    cancelled(run) {
      run.state?.leave();
    },
  });
}

function createSource(config: FeatureComponentConfig, deps: ComponentDeps): FeatureSource {
  const backend = deps.backends.featureStore;
  if (backend !== null) return new FeatureSource(config, deps, backend);
  throw new ComponentError(
    'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE',
    `${deps.componentName} fetches features, but no feature store is configured`,
  );
}

/** One block row per identity. Rows without one read as skipped; without repeated keys there is nothing to map. */
function createRows(run: FeatureRun, table: IdentityTable, learned: OwnBlockOptions | undefined): Block {
  const { count } = run.rows;
  const unique = table.uniqueCount;
  if (unique === count || (unique === 1 && isBroadcast(table, run.rows))) return run.createBlock(unique, learned);
  const block = run.createBlock(unique, { ...learned, rowMapRows: count });
  block.memory.words.set(table.rowToUnique.subarray(0, count), block.rowMapAt);
  return block;
}

function isBroadcast(table: IdentityTable, rows: RowSet): boolean {
  for (let position = 0; position < rows.count; position++) if (table.rowToUnique[position] !== 0) return false;
  return true;
}
