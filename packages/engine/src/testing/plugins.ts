import {
  type ComponentRun,
  component,
  createRegistry,
  defineComponent,
  type Registry,
  readColumn,
  writeColumns,
} from '@inferflow/components';
import { type Block, DataType } from '@inferflow/matrix';

/** What a test wants a plugin to do. */
export type PluginBehaviour = (run: PluginRun) => void | Promise<void>;

/** The run of a test plugin: reads the column `in`, writes one FP32 column. */
export interface PluginRun {
  readonly rowCount: number;
  readonly block: Block;
  readonly signal: AbortSignal;
  input(row: number): number;
  output(row: number, value: number): void;
}

const reads = (name: string) => ({ in: readColumn(name) });
const writes = (name: string) => ({ out: writeColumns({ name, type: DataType.FP32 }) });
type Run = ComponentRun<ReturnType<typeof reads>, ReturnType<typeof writes>>;

/** A registry with a type `custom` whose config `{ reads, writes, behaviour }` names one of the given behaviours. */
export function registryOf(behaviours: Readonly<Record<string, PluginBehaviour>>): Registry {
  return createRegistry().register(
    defineComponent({
      type: 'custom',
      apiVersion: 1,
      parseConfig: (raw: unknown) => raw as { readonly reads: string; readonly writes: string; readonly behaviour: string },
      create: (config) =>
        component({
          reads: reads(config.reads),
          writes: writes(config.writes),
          execute: (run: Run) => {
            const behaviour = behaviours[config.behaviour];
            if (behaviour === undefined) throw new Error(`no behaviour ${config.behaviour}`);
            return behaviour({
              rowCount: run.rows.count,
              block: run.block,
              get signal() {
                return run.signal;
              },
              input: (row) => run.reads.in.number(row),
              output: (row, value) => run.writes.out.setNumber(row, value),
            });
          },
        }),
    }),
  );
}

/** A plugin component for a model configuration. */
export function plugin(name: string, behaviour: string, readsColumn: string, writesColumn: string, onFailure?: string) {
  return {
    component: name,
    type: 'custom',
    config: { reads: readsColumn, writes: writesColumn, behaviour },
    ...(onFailure !== undefined && { on_failure: onFailure }),
  };
}
