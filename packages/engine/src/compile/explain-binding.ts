import { DataType, dataTypeInfo, inlineVectors, Layout, MemoryPool, parseDataType } from '@inferflow/matrix';
import { type RequestColumn, type RequestSchema, textColumn, typedColumn } from '../request/request-schema.js';
import { Violations } from '../request/violations.js';
import { IdleBudget } from '../run/run-pool.js';
import { type BoundPlan, bindPlan } from './bind-plan.js';
import type { ModelPlan } from './model-plan.js';

/** Layouts of both matrices. */
export interface Layouts {
  readonly target: Layout;
  readonly slate: Layout | null;
}

/** A plan bound as a request would bind it. */
export interface ExplainedBinding {
  readonly bound: BoundPlan;
  /** The layouts once answers of the feature store have told how long vectors are; how long does not matter here. */
  readonly learned: Layouts;
}

/** Bindings of a plan for requests that bring every column nobody writes. Made when first asked for. */
export class ExplainBindings {
  readonly #plan: ModelPlan;
  readonly #byType = new Map<DataType, ExplainedBinding>();

  constructor(plan: ModelPlan) {
    this.#plan = plan;
  }

  /** For a request of texts; where a request declares types, they are those of the texts that it may bring. */
  get ofTexts(): ExplainedBinding {
    return this.#of(DataType.String);
  }

  /** For a reader of this V2 type: a request that declares types declares the reader's. */
  forReader(v2Type: string): ExplainedBinding {
    if (this.#plan.config.requestValues === 'text') return this.ofTexts;
    return this.#of(parseDataType(v2Type) ?? DataType.FP32);
  }

  #of(type: DataType): ExplainedBinding {
    const known = this.#byType.get(type);
    if (known !== undefined) return known;
    const bound = bind(this.#plan, type);
    const binding = { bound, learned: learnedLayouts(this.#plan, bound) };
    this.#byType.set(type, binding);
    return binding;
  }
}

/** Whether a request says what type the values of this column have. */
export function isDeclaredByRequest({ config }: ModelPlan, column: string): boolean {
  return config.requestValues === 'typed' && column !== config.response.idColumn;
}

function bind(plan: ModelPlan, type: DataType): BoundPlan {
  const schema: RequestSchema = {
    method: 'InferSlateWise',
    rows: givenColumns(plan).map((name): RequestColumn => (isDeclaredByRequest(plan, name) ? typedColumn(name, type) : textColumn(name))),
    broadcast: [],
    slates: [],
    userIdSlot: -1,
    appVersionSlot: -1,
    predict: null,
    inferflow: null,
  };
  const memory = { pool: new MemoryPool({ maxIdleBytes: 0 }), idleRuns: 0, idleBudget: new IdleBudget(0) };
  const bound = bindPlan(plan, schema, memory, new Violations());
  if (bound === null) throw new TypeError('a plan without slate features cannot be ambiguous');
  return bound;
}

/** The id, and every column that is read and that neither a component nor the plan has. */
function givenColumns(plan: ModelPlan): readonly string[] {
  const shapes = [plan.constants.shape, ...plan.components.map(({ shape }) => shape)];
  const known = new Set(shapes.flatMap((shape) => shape?.slots.map(({ name }) => name) ?? []));
  const given = new Set([plan.config.response.idColumn]);
  for (const { component } of plan.components) {
    for (const read of Object.values(component.reads)) for (const name of read.columns) if (!known.has(name)) given.add(name);
  }
  return [...given];
}

function learnedLayouts(plan: ModelPlan, { resolver }: BoundPlan): Layouts {
  const learn = ({ shapes }: Layout, scope: 'target' | 'slate') =>
    new Layout(
      shapes.map((shape, block) => {
        const writer = plan.components.find((each) => each.component.scope === scope && each.blockIndex === block);
        if (shape === null || writer?.config.kind !== 'feature') return shape;
        return inlineVectors(shape, (slot) => dataTypeInfo(shape.slots[slot]?.type ?? DataType.Unknown).elementBytes);
      }),
    );
  return {
    target: learn(resolver.targetLayout, 'target'),
    slate: resolver.slateLayout === null ? null : learn(resolver.slateLayout, 'slate'),
  };
}
