import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { type DataType, decodeValue } from '@inferflow/matrix';
import {
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  type Quality,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { Engine } from './engine.js';
import type { EngineError } from './errors.js';
import { askAgain, createWorld, Random, type World, type WorldComponent } from './testing/random-world.js';
import { text } from './testing/read-answer.js';

// ---- what the services of a world know, used by both sides -------------------------------------------------------------------

function hash(...parts: readonly string[]): number {
  let value = 7;
  for (const part of parts) for (const character of `${part}|`) value = (Math.imul(value, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}

type Fetched = number | bigint | string | readonly number[] | null;

function stored(entity: string, keys: readonly string[], label: string, kind: string): Fetched {
  const h = hash(entity, ...keys, label);
  if (hash(entity, ...keys) % 11 === 0 || h % 7 === 0) return null;
  if (kind === 'fp32') return (h % 41) / 2 - 10;
  if (kind === 'int64') return BigInt(h % 19) - 9n;
  if (kind === 'string') return `k${h % 5}`;
  return [h % 5, 0 - (h % 3)];
}

/** Every value weighs by its position, texts by their length: swapped or shifted cells change the score. */
function modelScore(values: readonly (number | string)[]): number {
  return values.reduce<number>(
    (sum, value, position) => sum + (typeof value === 'string' ? new TextEncoder().encode(value).length : value) * (position + 1),
    0,
  );
}

// ---- the naive model of the semantics ------------------------------------------------------------------------------------------

/** No value because it could not be had, as against `null`: the source has none. */
const LOST = Symbol('lost');
type Cell = number | bigint | string | readonly number[] | null | typeof LOST;
interface Expected {
  readonly failsBecause: ReadonlySet<string>;
  readonly cells: ReadonlyMap<string, readonly Cell[]>;
  readonly slateCells: ReadonlyMap<string, readonly Cell[]>;
  readonly faulty: readonly boolean[];
  readonly faultySlates: readonly boolean[];
  readonly status: ReadonlyMap<string, 'ok' | 'failed' | 'skipped'>;
}

function predict(world: World): Expected {
  const rows = world.ids.length;
  const each = <T>(make: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => make(row));
  const cells = new Map<string, readonly Cell[]>([['item', each((row) => world.ids[row] || null)]]);
  for (const [name, values] of Object.entries(world.targetTexts))
    cells.set(
      name,
      each((row) => values[row] || null),
    );
  for (const [name, value] of Object.entries(world.contextTexts))
    cells.set(
      name,
      each(() => value || null),
    );
  const slateCells = new Map<string, readonly Cell[]>();
  const faulty = each(() => false);
  const faultySlates = world.slates.map(
    (slate) => slate.length === 0 && world.components.some((part) => part.kind === 'model' && part.isSlate),
  );
  const status = new Map<string, 'ok' | 'failed' | 'skipped'>();
  const failsBecause = new Set<string>();
  const blocked = new Set<string>();
  const hasSlates = world.method === 'pair' || world.method === 'slate';
  for (const part of world.components) {
    const isSlate = part.kind === 'model' && part.isSlate;
    const members = world.slates.flat();
    const writes = part.kind === 'feature' ? part.columns.map(({ name }) => name) : [part.writes];
    const blank = () => {
      for (const name of writes) (isSlate ? slateCells : cells).set(name, isSlate ? world.slates.map(() => LOST) : each(() => LOST));
    };
    const faultAll = () => (isSlate ? faultySlates : faulty).fill(true);
    blank();
    if (part.waits.some((name) => blocked.has(name))) {
      blocked.add(part.name);
      status.set(part.name, 'skipped');
      if (!isSlate || hasSlates) faultAll();
      continue;
    }
    if (rows === 0 || (isSlate && (!hasSlates || members.length === 0))) {
      status.set(part.name, 'skipped');
      continue;
    }
    const failed = run(world, part, cells, slateCells, faulty, faultySlates);
    status.set(part.name, failed ? 'failed' : 'ok');
    if (!failed) continue;
    blank();
    faultAll();
    if (part.policy === 'fail') failsBecause.add(part.name);
    if (part.policy === 'skip_dependents') blocked.add(part.name);
  }
  // A slate rests on what its targets rest on.
  const restsOnFault = faultySlates.map((isFaulty, slate) => isFaulty || (world.slates[slate] ?? []).some((target) => faulty[target]));
  return { failsBecause, cells, slateCells, faulty, faultySlates: restsOnFault, status };
}

/** Whether the component fails as a whole. */
function run(
  world: World,
  part: WorldComponent,
  cells: Map<string, readonly Cell[]>,
  slateCells: Map<string, readonly Cell[]>,
  faulty: boolean[],
  faultySlates: boolean[],
): boolean {
  // Given in the request and fetched as well: keys take the given text where there is one, everyone else the fetched value.
  const given = (name: string, row: number): Cell => world.targetTexts[name]?.[row] || null;
  const cell = (name: string, row: number): Cell => {
    const written = cells.get(name)?.[row] ?? null;
    return written === null || written === LOST ? (given(name, row) ?? written) : written;
  };
  if (part.kind === 'feature') {
    const keys = world.ids.map((_, row) => part.keys.map((name) => keyText(given(name, row) ?? cell(name, row))));
    const asked = keys.filter((parts) => parts.every((key) => key !== ''));
    if (asked.length === 0) return false;
    if (part.isBroken) return true;
    for (const { name, label, kind } of part.columns)
      cells.set(
        name,
        keys.map((parts) => (parts.some((key) => key === '') ? LOST : stored(part.entity, parts, label, kind))),
      );
    return false;
  }
  const inputsOf = (row: number): { values: (number | string)[]; isLost: boolean } => {
    const tensors = part.kind === 'model' ? part.inputs : [{ type: 'FP32' as const, columns: part.variables }];
    let isLost = false;
    const values = tensors.flatMap(({ type, columns }) =>
      columns.flatMap((name) => {
        const found = convert(cell(name, row), type, world.columns.get(name)?.kind === 'vector');
        if (found.isLost) isLost = true;
        return found.values;
      }),
    );
    return { values, isLost };
  };
  if (part.kind === 'model' && part.isSlate) {
    world.slates.forEach((slate, index) => {
      if (slate.some((row) => inputsOf(row).isLost)) faultySlates[index] = true;
    });
    if (part.isBroken) return true;
    slateCells.set(
      part.writes,
      world.slates.map((slate) =>
        slate.length === 0 ? null : slate.reduce((sum, row, position) => sum + modelScore(inputsOf(row).values) * (position + 1), 0),
      ),
    );
    return false;
  }
  const rows = world.ids.map((_, row) => inputsOf(row));
  rows.forEach(({ isLost }, row) => {
    if (isLost) faulty[row] = true;
  });
  if (part.isBroken) return true;
  cells.set(
    part.writes,
    rows.map(({ values }) =>
      part.kind === 'model' ? modelScore(values) : values.reduce<number>((sum, value) => sum + Number(value), 0) * 2,
    ),
  );
  return false;
}

function keyText(cell: Cell): string {
  return cell === null || cell === LOST ? '' : String(cell);
}

/** What a model gets for a cell. A default for what the source does not have is no fault; one for a lost or unreadable value is. */
function convert(cell: Cell, type: 'FP32' | 'INT64' | 'BYTES', isVector: boolean): { values: (number | string)[]; isLost: boolean } {
  if (cell === null || cell === LOST) return { values: isVector ? [0, 0] : [type === 'BYTES' ? '' : 0], isLost: cell === LOST };
  if (isVector) return { values: [...(cell as readonly number[])], isLost: false };
  if (type === 'BYTES') return { values: [String(cell)], isLost: false };
  if (typeof cell !== 'string') return { values: [type === 'INT64' ? Math.trunc(Number(cell)) || 0 : Number(cell)], isLost: false };
  const isNumber = (type === 'INT64' ? /^[+-]?\d+$/ : /^[+-]?\d+(\.\d+)?$/).test(cell);
  return { values: [isNumber ? Number(cell) || 0 : 0], isLost: !isNumber };
}

// ---- asking the engine ---------------------------------------------------------------------------------------------------------

function engineOf(world: World): Promise<Engine> {
  const broken = new Set(world.components.filter(({ isBroken }) => isBroken).map(({ name }) => name));
  const byEntity = new Map(world.components.flatMap((part) => (part.kind === 'feature' ? [[part.entity, part] as const] : [])));
  return createEngine({
    configSource: createObjectSource({ world: world.config }),
    featureStore: ({ entity, keys, features }) => {
      const part = byEntity.get(entity);
      if (part === undefined || part.isBroken) throw new Error('the store is down');
      return keys.map((parts) =>
        Object.fromEntries(
          features.map(({ group, name }) => [
            `${group}:${name}`,
            stored(
              entity,
              parts,
              name,
              part.columns.find(({ label, name: full }) => label === name && full.includes(`:${group}:`))?.kind ?? '',
            ),
          ]),
        ),
      );
    },
    models: Object.fromEntries(
      world.components.flatMap((part) =>
        part.kind !== 'model'
          ? []
          : [
              [
                part.name,
                (inputs, { rowCount }) => {
                  if (broken.has(part.name)) throw new Error('the model is down');
                  const scores = Array.from({ length: rowCount }, (_, row) =>
                    modelScore(
                      Object.values(inputs).flatMap(({ data, shape }) => {
                        const width = shape[1] ?? 1;
                        return Array.from(data as ArrayLike<number | bigint | string>)
                          .slice(row * width, (row + 1) * width)
                          .map((value) => (typeof value === 'bigint' ? Number(value) : value));
                      }),
                    ),
                  );
                  return part.isSlate ? [scores.reduce((sum, score, position) => sum + score * (position + 1), 0)] : scores;
                },
              ] as const,
            ],
      ),
    ),
    expressions: Object.fromEntries(
      world.components.flatMap((part) =>
        part.kind !== 'expression'
          ? []
          : [
              [
                part.name,
                (columns: Readonly<Record<string, ArrayLike<number>>>, rowCount: number) => {
                  if (broken.has(part.name)) throw new Error('it does not work out');
                  return Array.from(
                    { length: rowCount },
                    (_, row) => Object.values(columns).reduce((sum, column) => sum + (column[row] ?? 0), 0) * 2,
                  );
                },
              ] as const,
            ],
      ),
    ),
  });
}

interface Got {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly errors: readonly boolean[];
  readonly slateRows: readonly Readonly<Record<string, unknown>>[];
  readonly slateErrors: readonly boolean[];
  readonly quality: Quality | undefined;
}

async function ask(engine: Engine, world: World): Promise<Got> {
  const options = { deadlineMs: 20_000 };
  if (world.method === 'text') {
    const features = Object.entries(world.targetTexts).map(([name, idsFeatureValue]) => ({ name, idsFeatureValue: [...idsFeatureValue] }));
    const entities = [
      { entity: 'item', ids: [...world.ids], features },
      ...Object.entries(world.contextTexts).map(([entity, id]) => ({ entity, ids: [id] })),
    ];
    const answer = await engine.retrieveModelScore(create(InferflowRequestProtoSchema, { modelConfigId: 'world', entities }), options);
    const [head = { data: [] }, ...lines] = answer.componentData;
    const errors = lines.map((_, row) => answer.rowErrors.some((error) => error.row === row));
    return {
      rows: lines.map(({ data }) => Object.fromEntries(head.data.map((name, at) => [name, data[at]]))),
      errors,
      slateRows: [],
      slateErrors: [],
      quality: answer.quality,
    };
  }
  const names = Object.keys(world.targetTexts);
  const base = {
    modelConfigId: 'world',
    contextFeatures: Object.entries(world.contextTexts).map(([name, value]) => ({ name, value: text(value) })),
    targetInputSchema: names.map((name) => ({ name })),
    targets: world.ids.map((id, row) => ({ id, featureValues: names.map((name) => text(world.targetTexts[name]?.[row] ?? '')) })),
  };
  const read = (schema: readonly { name: string; dataType: number }[], scores: readonly { outputValues: Uint8Array[] }[]) =>
    scores.map(({ outputValues }) =>
      Object.fromEntries(
        schema.map(({ name, dataType }, at) => [
          name,
          outputValues[at]?.length ? decodeValue(dataType as DataType, outputValues[at]) : null,
        ]),
      ),
    );
  const hasError = ({ error }: { error: string }) => error !== '';
  if (world.method === 'point') {
    const answer = await engine.inferPointWise(create(PointWiseRequestSchema, base), options);
    return {
      rows: read(answer.targetOutputSchema, answer.targetScores),
      errors: answer.targetScores.map(hasError),
      slateRows: [],
      slateErrors: [],
      quality: answer.quality,
    };
  }
  if (world.method === 'pair') {
    const pairs = world.slates.map(([firstTargetIndex = 0, secondTargetIndex = 0]) => ({ firstTargetIndex, secondTargetIndex }));
    const answer = await engine.inferPairWise(create(PairWiseRequestSchema, { ...base, pairs }), options);
    return {
      rows: read(answer.targetOutputSchema, answer.targetScores),
      errors: answer.targetScores.map(hasError),
      slateRows: read(answer.pairOutputSchema, answer.pairScores),
      slateErrors: answer.pairScores.map(hasError),
      quality: answer.quality,
    };
  }
  const slates = world.slates.map((targetIndices) => ({ targetIndices: [...targetIndices] }));
  const answer = await engine.inferSlateWise(create(SlateWiseRequestSchema, { ...base, slates }), options);
  return {
    rows: read(answer.targetOutputSchema, answer.targetScores),
    errors: answer.targetScores.map(hasError),
    slateRows: read(answer.slateOutputSchema, answer.slateScores),
    slateErrors: answer.slateScores.map(hasError),
    quality: answer.quality,
  };
}

function shown(cell: Cell, isText: boolean): unknown {
  const value = cell === LOST ? null : cell;
  if (!isText) return value;
  if (value === null) return '';
  return Array.isArray(value) ? value.map((element) => String(element)).join(',') : String(value);
}

function compare(world: World, expected: Expected, got: Got): void {
  const isText = world.method === 'text';
  const slateNames = new Set(expected.slateCells.keys());
  const hasSlates = world.method === 'pair' || world.method === 'slate';
  const names = world.answer.filter((name) => !hasSlates || !slateNames.has(name));
  expect(got.rows).toEqual(
    world.ids.map((_, row) => Object.fromEntries(names.map((name) => [name, shown(expected.cells.get(name)?.[row] ?? null, isText)]))),
  );
  expect(got.errors).toEqual(expected.faulty);
  expect(got.quality?.components.map(({ name, status }) => [name, ['', 'ok', 'failed', 'skipped'][status]]).sort()).toEqual(
    [...expected.status].sort(),
  );
  if (!hasSlates || slateNames.size === 0) return;
  const slateNamesAnswered = world.answer.filter((name) => slateNames.has(name));
  expect(got.slateRows).toEqual(
    world.slates.map((_, slate) =>
      Object.fromEntries(slateNamesAnswered.map((name) => [name, shown(expected.slateCells.get(name)?.[slate] ?? null, false)])),
    ),
  );
  expect(got.slateErrors).toEqual(expected.faultySlates);
}

async function check(engine: Engine, world: World, name: string): Promise<void> {
  const expected = predict(world);
  if (expected.failsBecause.size > 0) {
    const error = (await ask(engine, world).then(
      () => null,
      (reason: unknown) => reason,
    )) as EngineError | null;
    expect(error?.code, name).toBe('INFERFLOW_ENGINE_COMPONENT_FAILED');
    expect(expected.failsBecause.has(error?.componentName ?? ''), name).toBe(true);
    return;
  }
  const got = await ask(engine, world);
  try {
    compare(world, expected, got);
  } catch (error) {
    const quality = got.quality?.components.map((part) => [part.name, part.status, part.reason]);
    throw new Error(
      `${name}: ${(error as Error).message}\n${JSON.stringify(quality)}\n${JSON.stringify({ ...world, columns: [...world.columns.values()] })}`,
      { cause: error },
    );
  }
}

const runs = Number(process.env['INFERFLOW_PROPERTY_RUNS'] ?? 300);
const firstSeed = Number(process.env['INFERFLOW_PROPERTY_SEED'] ?? 1);

describe('random graphs, configurations and requests', () => {
  it(`answer what a naive model of the semantics answers, ${runs} times, and nothing hangs`, { timeout: 60_000 + runs * 100 }, async () => {
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      const world = createWorld(new Random(seed));
      const engine = await engineOf(world);
      const entry = engine.snapshot.models.get('world');
      try {
        if (entry?.state !== 'live') {
          // A graph that neither fetches nor calls a model is the only bad one that a world can make.
          const kinds = world.components.map(({ kind }) => kind);
          expect(kinds.includes('feature') || kinds.includes('model'), `seed ${seed}: ${JSON.stringify(entry?.problems)}`).toBe(false);
          continue;
        }
        await check(engine, world, `seed ${seed}`);
        await check(engine, world, `seed ${seed}, again`);
        // Pooled runs side by side and one after another: nothing of one request shows in the next.
        const others = new Random(seed ^ 0x5bd1e995);
        for (let round = 0; round < 2; round++) {
          await Promise.all([0, 1, 2, 3].map((at) => check(engine, askAgain(world, others), `seed ${seed}, other request ${round}.${at}`)));
        }
        expect(engine.inFlight).toBe(0);
      } finally {
        await engine.close(0);
      }
    }
  });
});
