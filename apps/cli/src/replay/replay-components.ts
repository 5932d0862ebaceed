import {
  builtIns,
  type ColumnSpec,
  type Component,
  type ComponentDefinition,
  type ComponentRun,
  chooseRoute,
  component,
  createRegistry,
  type Registry,
  readColumns,
  readTensor,
  routeSeed,
  type TensorInput,
  type TensorReadOptions,
  writeColumns,
} from '@inferflow/components';
import { type FeatureComponentConfig, type NumerixComponentConfig, type PredatorComponentConfig, scoreColumnType } from '@inferflow/config';
import type { ScoringColumnCells } from '@inferflow/logging/scoring';
import { type Block, CellStatus, type ColumnReader, convertBytes, DataType, v2ElementBytes } from '@inferflow/matrix';
import type { ReplayEntries, ReplayEntry } from './replay-entry.js';

/** Options of {@link createReplayRegistry}. */
export interface ReplayRegistryOptions {
  readonly entries: ReplayEntries;
  /** `logged`: outputs of models come from the log where their inputs are what they were. */
  readonly models: 'logged' | 'live';
  /** Plugins and built-ins, for what is not replaced. */
  readonly registry: Registry;
}

/**
 * Components of a candidate that take from the log what would otherwise be asked of a service: features always, outputs of models and of
 * a compute service where they are `logged`. Everything else runs.
 */
export function createReplayRegistry({ entries, models, registry }: ReplayRegistryOptions): Registry {
  const replaced = createRegistry();
  const replacements: Readonly<Record<string, (inner: ComponentDefinition) => ComponentDefinition>> = {
    feature: (inner) => ({ ...inner, create: (config) => features(config as FeatureComponentConfig, entries) }),
    predator: (inner) =>
      models === 'live' ? inner : { ...inner, create: (config) => loggedModel(config as PredatorComponentConfig, entries) },
    numerix: (inner) => ({
      ...inner,
      create(config, deps) {
        const own = config as NumerixComponentConfig;
        const isLocal = own.expression !== undefined || deps.backends.expressions?.forComputeId(own.computeId) !== undefined;
        return isLocal || models === 'live' ? inner.create(config, deps) : loggedExpression(own, entries);
      },
    }),
  };
  const own = new Set(builtIns.map(({ type }) => type));
  for (const type of new Set([...own, ...registry.types()])) {
    const inner = registry.require(type);
    replaced.register(replacements[type]?.(inner) ?? inner);
  }
  return replaced;
}

function features(config: FeatureComponentConfig, entries: ReplayEntries): Component {
  const columns: ColumnSpec[] = config.columns.map(({ name, dataType }) => ({ name, type: dataType }));
  if (config.compositeId) columns.push({ name: config.componentId, type: DataType.String });
  return component({
    // The keys are read so that the graph of the candidate is what it says.
    reads: { keys: readColumns(config.keys.map(({ column }) => column)) },
    writes: { values: writeColumns(columns) },
    execute(run) {
      const { block, slots } = run.writes.values;
      const entry = entries.of(run.request);
      columns.forEach(({ name, type }, index) => {
        copyColumn(entry.written('target', config.componentName, name), block, slots[index] as number, type, null);
      });
    },
  });
}

interface LoggedScores {
  readonly componentName: string;
  readonly scope: 'target' | 'slate';
  readonly columns: readonly ColumnSpec[];
  /** What the model would be given. */
  readonly tensors: readonly TensorReadOptions[];
  /** Why the logged outputs say nothing about this request at all; '' = they may. */
  whyUnknown(entry: ReplayEntry): string;
}

function loggedModel(config: PredatorComponentConfig, entries: ReplayEntries): Component {
  const seed = routeSeed(config.componentName);
  return loggedScores(
    {
      componentName: config.componentName,
      scope: config.scope,
      columns: config.outputs.flatMap(({ dataType, scores }) =>
        scores.map(({ name, dims }) => {
          const elementBytes = v2ElementBytes(dataType);
          const isOpen = elementBytes <= 0 || dims.some((dim) => dim < 0);
          const width = isOpen ? ('variable' as const) : elementBytes * dims.reduce((product, dim) => product * dim, 1);
          return { name, type: scoreColumnType(dataType, dims).dataType, width };
        }),
      ),
      tensors: config.inputs.map(({ features: columns, dataType, shape }) => ({ columns, type: dataType, shape })),
      whyUnknown({ request }) {
        const logged = request.components.find(({ name }) => name === config.componentName)?.calls?.modelName ?? '';
        const share = chooseRoute(config.endpoints, seed, request.head.routeHash);
        const asked = (share < 0 ? undefined : config.endpoints[share]?.modelName) ?? config.modelName;
        return logged === '' || logged === asked ? '' : `the log holds outputs of model ${logged}, the candidate asks ${asked}`;
      },
    },
    entries,
  );
}

function loggedExpression(config: NumerixComponentConfig, entries: ReplayEntries): Component {
  return loggedScores(
    {
      componentName: config.componentName,
      scope: config.scope,
      columns: [{ name: config.scoreColumn, type: config.dataType }],
      tensors: [{ columns: config.variables.map(({ column }) => column), type: 'FP32', shape: [config.variables.length] }],
      whyUnknown: () => '',
    },
    entries,
  );
}

function loggedScores(plan: LoggedScores, entries: ReplayEntries): Component {
  const { componentName, scope, columns, tensors } = plan;
  const inputs = [...new Set(tensors.flatMap((tensor) => tensor.columns))];
  return component({
    reads: {
      inputs: readColumns(inputs),
      ...Object.fromEntries(tensors.map((tensor, index) => [`tensor${index}`, readTensor(tensor)])),
    },
    writes: { scores: writeColumns(columns) },
    scope,
    execute(run) {
      const entry = entries.of(run.request);
      // Only to count the inputs that would be filled with defaults.
      const given: Readonly<Record<string, unknown>> = run.reads;
      for (let index = 0; index < tensors.length; index++) (given[`tensor${index}`] as TensorInput).prepare();
      const unknown = new Set<number>();
      const whole = plan.whyUnknown(entry);
      const rows = run.writes.scores.block.rowCount;
      if (whole !== '') for (let row = 0; row < rows; row++) unknown.add(row);
      else
        for (let input = 0; input < inputs.length; input++)
          noteChanged(run, run.reads.inputs[input] as ColumnReader, inputs[input] as string, entry, unknown);
      columns.forEach(({ name, type }, index) => {
        const logged = entry.written(scope, componentName, name);
        if (logged === undefined) for (let row = 0; row < rows; row++) unknown.add(row);
        copyColumn(logged, run.writes.scores.block, run.writes.scores.slots[index] as number, type, unknown);
      });
      if (unknown.size === 0) return;
      entry.unknownReasons.set(
        componentName,
        whole === '' ? 'inputs that are not what they were, or outputs that are not in the log' : whole,
      );
      for (const row of unknown) (scope === 'slate' ? entry.unknownSlates : entry.unknownRows).add(row);
    },
  });
}

/** Adds the rows (for a slate component: the slates) in which an input is not what it was. */
function noteChanged(
  run: Pick<ComponentRun, 'rows' | 'slate'>,
  reader: ColumnReader,
  name: string,
  entry: ReplayEntry,
  changed: Set<number>,
): void {
  const { slate, rows } = run;
  const targets = entry.request.targets.named(name);
  if (slate === null) {
    for (let row = 0; row < rows.count; row++) if (!isSame(reader, row, targets, row)) changed.add(row);
    return;
  }
  const ofSlates = entry.request.slates.named(name);
  for (let index = 0; index + 1 < slate.offsets.length; index++) {
    for (let position = slate.offsets[index] as number; position < (slate.offsets[index + 1] as number); position++) {
      const row = slate.targets[position] as number;
      const same = ofSlates.length > 0 ? isSame(reader, position, ofSlates, index) : isSame(reader, position, targets, row);
      if (!same) changed.add(index);
    }
  }
}

function isSame(reader: ColumnReader, position: number, logged: readonly ScoringColumnCells[], row: number): boolean {
  const column = logged.find((each) => each.hasValue(row));
  if (column === undefined) return !reader.hasValue(position);
  if (!reader.hasValue(position)) return false;
  const before = column.bytes(row);
  const now = reader.bytes(position);
  if (before.length !== now.length) return false;
  for (let index = 0; index < before.length; index++) if (before[index] !== now[index]) return false;
  return true;
}

/** Puts logged cells into a block, with their status; what the log does not have is missing, what it cannot know has failed. */
function copyColumn(
  logged: ScoringColumnCells | undefined,
  block: Block,
  slot: number,
  type: DataType,
  unknown: ReadonlySet<number> | null,
): void {
  for (let row = 0; row < block.rowCount; row++) {
    if (unknown?.has(row) === true) block.markCell(row, slot, CellStatus.failed);
    else if (logged === undefined) block.markCell(row, slot, CellStatus.missing);
    else {
      const status = logged.status(row) as CellStatus;
      const bytes =
        status >= 8 || logged.dataType === type ? logged.bytes(row) : convertBytes(logged.dataType, type, logged.bytes(row), false);
      if (status >= 8) block.markCell(row, slot, status);
      else if (bytes === null) block.markCell(row, slot, CellStatus.failed);
      else block.setBytes(row, slot, bytes, 0, bytes.length, status);
    }
  }
}
