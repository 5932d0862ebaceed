import type { NumerixComponentConfig } from '@inferflow/config';
import { DataType, dataTypeInfo } from '@inferflow/matrix';
import { compileComputeRequest } from '@inferflow/proto/hot';
import type { CompiledExpression, ExpressionPrecision, ServiceBackend } from '../backends.js';
import { configOfKind } from '../built-in-config.js';
import type { ComponentRun } from '../component-run.js';
import { type Component, type ComponentDeps, component, defineComponent, PENDING } from '../define-component.js';
import { ComponentError } from '../errors.js';
import { createFailure } from '../failure.js';
import { type KeysRead, readKeys, readTensor, type TensorRead } from '../reads.js';
import { type ColumnsWrite, writeColumns } from '../writes.js';
import { LocalRun } from './local-run.js';
import { RemoteRun } from './remote-run.js';

/** @internal What a compute component sees of a request. */
export type NumerixRun = ComponentRun<{ readonly ids: KeysRead; readonly values: TensorRead }, { readonly score: ColumnsWrite }>;

/**
 * Evaluates an expression over columns: by the compute service, or in this process when the configuration holds the expression or
 * there is no service.
 */
export const numerixDefinition = defineComponent<NumerixComponentConfig>({
  type: 'numerix',
  apiVersion: 1,
  parseConfig: (raw) => configOfKind(raw, 'numerix'),
  create: createNumerixComponent,
});

function createNumerixComponent(config: NumerixComponentConfig, deps: ComponentDeps): Component {
  const names = config.variables.map((variable) => variable.variable);
  const service = config.expression === undefined ? deps.backends.compute : null;
  const precision: ExpressionPrecision = service === null && config.dataType === DataType.FP64 && !deps.compat ? 'fp64' : 'fp32';
  const expression = service === null ? compileLocally(config, deps, names, precision) : null;
  const declarations = {
    reads: {
      ids: readKeys({ columns: [config.componentId] }),
      values: readTensor({
        columns: config.variables.map((variable) => variable.column),
        type: precision === 'fp64' ? 'FP64' : 'FP32',
        // Open, so that the values tell which column is a vector.
        shape: [-1],
      }),
    },
    writes: { score: writeColumns([scoreColumn(config, deps.compat)]) },
    scope: config.scope,
  };
  if (service !== null) return createRemote(config, deps, service, names, declarations);
  return component({
    ...declarations,
    createState: () =>
      new LocalRun({ deps, expression: expression as CompiledExpression, isWide: precision === 'fp64', valueCount: names.length }),
    execute(run) {
      if (!prepare(run, deps, names.length)) return PENDING;
      run.state.execute(run);
      return undefined;
    },
    reusesRun: true,
  });
}

type Declarations = Pick<Component<{ ids: KeysRead; values: TensorRead }, { score: ColumnsWrite }>, 'reads' | 'writes' | 'scope'>;

function createRemote(
  config: NumerixComponentConfig,
  deps: ComponentDeps,
  backend: ServiceBackend,
  names: readonly string[],
  declarations: Declarations,
): Component {
  const plan = {
    deps,
    backend,
    template: compileComputeRequest({ schema: [config.componentId, ...names], computeId: config.computeId, dataType: 'fp32' }),
    mode: config.scope === 'slate' ? ('per_slate' as const) : ('targets' as const),
    batchSize: config.batchSize ?? backend.batchSize,
    deadlineMs: config.deadlineMs ?? backend.deadlineMs,
    valueCount: names.length,
  };
  return component({
    ...declarations,
    createState: () => new RemoteRun(plan),
    execute(run) {
      if (run.rows.count === 0 && config.scope === 'target') return undefined;
      if (prepare(run, deps, names.length)) run.state.start(run);
      return PENDING;
    },
    reusesRun: true,
    cancelled(run) {
      run.state.leave();
    },
  });
}

/** False, and the component failed, when a variable's column does not hold one number per row. */
function prepare(run: NumerixRun, deps: ComponentDeps, valueCount: number): boolean {
  const defaulted = run.reads.values.prepare();
  if (defaulted > 0) deps.metrics.defaultedInputs.add(defaulted);
  if (run.rows.count === 0 || run.reads.values.elementsPerRow() === valueCount) return true;
  run.failed(createFailure('conversion', 'a variable is read from a column of vectors; it takes one number per row', deps.componentName));
  return false;
}

/** The declared type; the original labels FP32 bytes with whatever type was declared. */
function scoreColumn(config: NumerixComponentConfig, compat: boolean): { name: string; type: DataType; width?: 'variable' } {
  const column = { name: config.scoreColumn, type: config.dataType };
  return compat && dataTypeInfo(config.dataType).elementBytes !== 4 ? { ...column, width: 'variable' } : column;
}

function compileLocally(
  config: NumerixComponentConfig,
  deps: ComponentDeps,
  names: readonly string[],
  precision: ExpressionPrecision,
): CompiledExpression {
  const { expressions } = deps.backends;
  const text = config.expression ?? expressions?.forComputeId(config.computeId);
  if (expressions === null || text === undefined) {
    throw new ComponentError(
      'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE',
      expressions === null
        ? `${deps.componentName} computes, but neither a compute service nor expressions in this process are configured`
        : `${deps.componentName} needs the expression "${config.computeId}": there is no compute service, and none of that name in this process`,
    );
  }
  try {
    return expressions.compile(text, precision, names);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : 'the expression is wrong';
    throw new ComponentError('INFERFLOW_COMPONENTS_CONFIG_INVALID', `${deps.componentName}: ${detail}`, { path: '$.expression', cause });
  }
}
