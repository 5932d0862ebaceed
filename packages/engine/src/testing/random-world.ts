import { expressionComponent, featureComponent, modelComponent, modelConfig } from './model-config.js';

/** Numbers from a seed (mulberry32), so that a failure can be run again. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = this.#state;
    value = Math.imul(value ^ (value >>> 15), value | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  /** Up to `most` different values. */
  some<T>(values: readonly T[], most: number): T[] {
    const left = [...values];
    const taken: T[] = [];
    for (let wanted = this.below(most + 1); wanted > 0 && left.length > 0; wanted--) taken.push(...left.splice(this.below(left.length), 1));
    return taken;
  }
}

/** How a column's cells look: texts of the request, or typed values. */
export type ColumnKind = 'text' | 'fp32' | 'int64' | 'string' | 'vector';

/** A column of a random model. */
export interface WorldColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  /** The component that writes it; null = the request. */
  readonly writer: string | null;
}

/** What a failure of a component does. */
export type Policy = 'default' | 'fail' | 'skip_dependents';

/** A component of a random model, in words that the engine does not know. */
export type WorldComponent = {
  readonly name: string;
  readonly waits: readonly string[];
  readonly policy: Policy;
  readonly isBroken: boolean;
} & (
  | {
      readonly kind: 'feature';
      readonly entity: string;
      readonly keys: readonly string[];
      readonly columns: readonly (WorldColumn & { readonly label: string })[];
    }
  | {
      readonly kind: 'model';
      readonly inputs: readonly { readonly type: 'FP32' | 'INT64' | 'BYTES'; readonly columns: readonly string[] }[];
      readonly writes: string;
      readonly isSlate: boolean;
    }
  | { readonly kind: 'expression'; readonly variables: readonly string[]; readonly writes: string }
);

/** How a world is asked: one of the four RPCs. */
export type WorldMethod = 'point' | 'pair' | 'slate' | 'text';

/** A random model with a random request. */
export interface World {
  readonly method: WorldMethod;
  readonly components: readonly WorldComponent[];
  readonly columns: ReadonlyMap<string, WorldColumn>;
  readonly answer: readonly string[];
  readonly targetTexts: Readonly<Record<string, readonly string[]>>;
  readonly contextTexts: Readonly<Record<string, string>>;
  readonly ids: readonly string[];
  readonly slates: readonly (readonly number[])[];
  readonly config: object;
}

const groups = { fp32: 'fp32_g', int64: 'int64_g', string: 'string_g', vector: 'fp32v2_g' } as const;
const types = { fp32: 'DataTypeFP32', int64: 'DataTypeInt64', string: 'DataTypeString', vector: 'DataTypeFP32Vector' } as const;

/** Makes a world. Everything in it is small: the point is how things combine. */
export function createWorld(random: Random): World {
  const method = random.pick<WorldMethod>(['point', 'point', 'pair', 'slate', 'text']);
  const columns = new Map<string, WorldColumn>();
  const add = (column: WorldColumn): WorldColumn => {
    columns.set(column.name, column);
    return column;
  };
  add({ name: 'item', kind: 'text', writer: null });
  const targetNames = random.some(['r0', 'r1', 'r2'], 3);
  const contextNames = random.some(['c0', 'c1'], 2);
  for (const name of [...targetNames, ...contextNames]) add({ name, kind: 'text', writer: null });
  const components: WorldComponent[] = [];
  const fact = () => ({
    policy: random.pick<Policy>(['default', 'default', 'default', 'skip_dependents', 'fail']),
    isBroken: random.chance(0.12),
  });
  const waitsFor = (names: readonly string[]): string[] => {
    const writers = new Set(names.map((name) => columns.get(name)?.writer).filter((writer) => writer != null));
    for (const { name } of components) if (random.chance(0.1)) writers.add(name);
    return [...writers];
  };
  for (let index = random.below(4); index > 0; index--) {
    const name = `f${components.length}`;
    const keys = [...new Set(Array.from({ length: 1 + random.below(2) }, () => random.pick(keyColumns(columns))))];
    const entity = `e${components.length}`;
    const kinds = random.some(['fp32', 'fp32', 'int64', 'string', 'vector'] as const, 4);
    const made = (kinds.length === 0 ? (['fp32'] as const) : kinds).map((kind, at) => {
      const label = `x${at}`;
      return { name: `${entity}:${groups[kind]}:${label}`, kind, writer: name, label };
    });
    components.push({ name, kind: 'feature', waits: waitsFor(keys), ...fact(), entity, keys, columns: made });
    for (const column of made) add(column);
  }
  for (let index = random.below(3); index > 0; index--) {
    const name = `m${components.length}`;
    const inputs = randomInputs(random, columns);
    components.push({
      name,
      kind: 'model',
      waits: waitsFor(inputs.flatMap((input) => input.columns)),
      ...fact(),
      inputs,
      writes: `${name}_score`,
      isSlate: false,
    });
    add({ name: `${name}_score`, kind: 'fp32', writer: name });
  }
  for (let index = random.below(3); index > 0; index--) {
    const name = `n${components.length}`;
    const numeric = [...columns.values()]
      .filter(({ kind }) => kind === 'fp32' || kind === 'int64' || kind === 'text')
      .map((column) => column.name);
    const variables = random.some(numeric, 3);
    if (variables.length === 0) continue;
    components.push({ name, kind: 'expression', waits: waitsFor(variables), ...fact(), variables, writes: `${name}_value` });
    add({ name: `${name}_value`, kind: 'fp32', writer: name });
  }
  const targetColumns = [...columns.keys()];
  if (random.chance(0.6)) {
    const name = `s${components.length}`;
    const inputs = randomInputs(random, columns);
    components.push({
      name,
      kind: 'model',
      waits: waitsFor(inputs.flatMap((input) => input.columns)),
      ...fact(),
      inputs,
      writes: `${name}_list`,
      isSlate: true,
    });
  }
  const slateScores = components.flatMap((component) => (component.kind === 'model' && component.isSlate ? [component.writes] : []));
  const answer = ['item', ...random.some([...targetColumns.filter((name) => name !== 'item'), 'nobody'], 8), ...slateScores];
  // Some requests bring a column that a component fetches too.
  const fetched = components.flatMap((part) => (part.kind === 'feature' ? part.columns.filter(({ kind }) => kind !== 'vector') : []));
  const overlaps = fetched.length > 0 && random.chance(0.3) ? [random.pick(fetched).name] : [];
  return {
    method,
    components,
    columns,
    answer,
    ...randomRequest(random, method, [...targetNames, ...overlaps], contextNames),
    config: toConfig(components, answer),
  };
}

/** The same model asked something else, with the same columns. */
export function askAgain(world: World, random: Random): World {
  return { ...world, ...randomRequest(random, world.method, Object.keys(world.targetTexts), Object.keys(world.contextTexts)) };
}

function randomRequest(random: Random, method: WorldMethod, targetNames: readonly string[], contextNames: readonly string[]) {
  const rowCount = random.chance(0.05) && method === 'text' ? 0 : 1 + random.below(7);
  const ids = Array.from({ length: rowCount }, () => randomText(random, 0.05));
  const slates =
    method !== 'pair' && method !== 'slate'
      ? []
      : Array.from({ length: 1 + random.below(4) }, () =>
          method === 'pair'
            ? [random.below(rowCount), random.below(rowCount)]
            : Array.from({ length: random.below(5) }, () => random.below(rowCount)),
        );
  return {
    ids,
    slates,
    targetTexts: Object.fromEntries(targetNames.map((name) => [name, ids.map(() => randomText(random, 0.2))])),
    contextTexts: Object.fromEntries(contextNames.map((name) => [name, randomText(random, 0.2)])),
  };
}

/** Columns whose text a store could know: not the vectors, and floats only as whole numbers. */
function keyColumns(columns: ReadonlyMap<string, WorldColumn>): string[] {
  return [...columns.values()].filter(({ kind }) => kind === 'text' || kind === 'string' || kind === 'int64').map(({ name }) => name);
}

function randomInputs(random: Random, columns: ReadonlyMap<string, WorldColumn>) {
  const all = [...columns.values()];
  return Array.from({ length: 1 + random.below(3) }, () => {
    const vectors = all.filter(({ kind }) => kind === 'vector');
    if (vectors.length > 0 && random.chance(0.25)) return { type: 'FP32' as const, columns: [random.pick(vectors).name] };
    const type = random.pick(['FP32', 'FP32', 'INT64', 'BYTES'] as const);
    const fitting = all.filter(({ kind }) =>
      type === 'BYTES' ? kind === 'text' || kind === 'string' : kind === 'fp32' || kind === 'int64' || kind === 'text',
    );
    const names = random.some([...fitting.map(({ name }) => name), 'nowhere'], 4);
    return { type, columns: names.length === 0 ? ['item'] : names };
  });
}

/** A small number as text, a word, or nothing. */
function randomText(random: Random, emptyChance: number): string {
  if (random.chance(emptyChance)) return '';
  return random.pick([String(random.below(9)), String(0 - random.below(9)), `${random.below(9)}.5`, `w${random.below(4)}`, 'é']);
}

function toConfig(components: readonly WorldComponent[], answer: readonly string[]): object {
  return modelConfig({
    features: components.flatMap((part) => {
      if (part.kind !== 'feature') return [];
      const byGroup: Record<string, [string, ...string[]]> = {};
      for (const { kind, label } of part.columns) {
        const known = kind as keyof typeof groups;
        const group = byGroup[groups[known]] ?? [types[known]];
        byGroup[groups[known]] = group;
        group.push(label);
      }
      const keys = part.keys.map((column, index) => [`k${index}`, column] as const);
      return [featureComponent(part.name, byGroup, { entity: part.entity, keys, onFailure: part.policy })];
    }),
    models: components.flatMap((part) => {
      if (part.kind !== 'model') return [];
      const inputs = part.inputs.map(({ type, columns }, index) => [`i${index}`, [type, ...columns]] as const);
      const made = modelComponent(part.name, Object.fromEntries(inputs) as Parameters<typeof modelComponent>[1], {
        score: part.writes,
        slate: part.isSlate,
        onFailure: part.policy,
        batchSize: 3,
      });
      return [{ ...made, inputs: made.inputs.map((input) => (isVector(input.features) ? { ...input, shape: [2] } : input)) }];
    }),
    expressions: components.flatMap((part) =>
      part.kind === 'expression'
        ? [
            expressionComponent(
              part.name,
              part.name,
              Object.fromEntries(part.variables.map((column, index) => [`v${index}@DataTypeFP32`, column])),
              { score: part.writes, onFailure: part.policy },
            ),
          ]
        : [],
    ),
    waits: Object.fromEntries(components.map(({ name, waits }) => [name, waits.length === 0 ? ['feature_initializer'] : waits])),
    answer,
  });
}

function isVector(features: readonly string[]): boolean {
  return features.length === 1 && features[0]?.includes(':fp32v2_g:') === true;
}
