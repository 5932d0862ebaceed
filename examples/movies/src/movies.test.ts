import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { lintModel, parseModelConfig } from '@inferflow/config';
import { createFeatureStoreHandler, createMemoryFeatureStore, RETRIEVE_FEATURES_PATH } from '@inferflow/feature-store';
import { createLocalModels, findModels, type LocalModels } from '@inferflow/model-server';
import { createExpressionEngine, loadExpressions } from '@inferflow/numerix';
import {
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  RetrieveQuerySchema,
  RetrieveResultSchema,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

type Scores = Readonly<Record<string, number | string>>;
interface GoldenCase {
  readonly request: string;
  readonly rpc: string;
  readonly targets: readonly Scores[];
  readonly pairs?: readonly Scores[];
  readonly slates?: readonly Scores[];
}
interface Golden {
  readonly tolerance: number;
  readonly cases: readonly GoldenCase[];
}

const folder = new URL('../', import.meta.url);
const path = (name: string) => fileURLToPath(new URL(name, folder));
const readJson = (name: string) => JSON.parse(readFileSync(path(name), 'utf8'));
const golden: Golden = readJson('golden.json');
const manifest: { config: string; featureStore: string; models: string; expressions: string } = readJson('demo.json');
const configs = ['film-ranking', 'film-evening'].map((id) => ({ id, raw: readJson(`${manifest.config}/models/${id}.json`) }));
// The scripts are plain JavaScript.
const script = async (name: string): Promise<Record<string, (...values: unknown[]) => unknown>> => import(/* @vite-ignore */ new URL(`scripts/${name}`, folder).href);
const caseOf = (rpc: string) => golden.cases.find((candidate) => candidate.rpc === rpc)!;

let models: LocalModels;
beforeAll(async () => {
  models = await createLocalModels({ models: await findModels(path(manifest.models)) });
});
afterAll(() => models.close(0));

describe('committed files', () => {
  it('are what the scripts write', async () => {
    const { prepareFeatures } = await script('prepare-features.mjs');
    for (const [name, text] of Object.entries((await prepareFeatures!()) as Record<string, string>)) expect(readFileSync(path(`features/${name}`), 'utf8'), name).toBe(text);
    const { buildSlateModel } = await script('build-slate-model.mjs');
    expect(Buffer.from(buildSlateModel!() as Uint8Array).equals(readFileSync(path('onnx/slate_appeal.onnx')))).toBe(true);
    const { toConnectJson, requestNames } = await script('make-golden.mjs');
    for (const name of requestNames!() as string[]) expect(readJson(`requests/${name}.connect.json`)).toEqual(toConnectJson!(readJson(`requests/${name}.json`)));
  });

  it('hold the scores that the models give now', async () => {
    const { makeGolden } = await script('make-golden.mjs');
    const now = (await makeGolden!()) as Golden;
    expect(now.cases.map((entry) => entry.request)).toEqual(golden.cases.map((entry) => entry.request));
    for (const [index, entry] of golden.cases.entries()) {
      expectClose(now.cases[index]!.targets, entry.targets);
      expectClose(now.cases[index]!.pairs ?? [], entry.pairs ?? []);
      expectClose(now.cases[index]!.slates ?? [], entry.slates ?? []);
    }
  });

  it('agree with the predictions made when the models were trained', () => {
    const { tolerance, cases }: { tolerance: number; cases: { model: string; ids: number[]; outputs: { data: number[] }[] }[] } = readJson('data/predictions.json');
    const { targets } = caseOf('RetrieveModelScore');
    expect(targets.map((row) => Number(row['film_id']))).toEqual(cases[0]!.ids);
    for (const [row, scores] of targets.entries()) {
      expect(Math.abs(Number(scores['rating:rating']) - cases[0]!.outputs[0]!.data[row]!)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs(Number(scores['ranker:score']) - cases[1]!.outputs[0]!.data[row]!)).toBeLessThanOrEqual(tolerance);
    }
  });
});

describe('model configurations', () => {
  it.each(configs)('$id has nothing to complain about', ({ id, raw }) => {
    const { config, problems } = parseModelConfig(id, raw);
    expect(problems).toEqual([]);
    expect(config?.dialect).toBe('documented');
    expect(lintModel(config!).filter((problem) => problem.severity !== 'hint')).toEqual([]);
  });

  it('use expressions that exist, with the variables that they read', async () => {
    const engine = createExpressionEngine({ expressions: await loadExpressions(path(manifest.expressions)) });
    expect([...engine.problems().keys()]).toEqual([]);
    for (const { id, raw } of configs) {
      for (const component of parseModelConfig(id, raw).config!.components) {
        if (component.kind !== 'numerix') continue;
        const compiled = engine.compile(engine.forComputeId(component.computeId)!, 'fp32', component.variables.map((variable) => variable.variable));
        expect(compiled.isRead.every(Boolean)).toBe(true);
      }
    }
  });

  it('fit the signatures of their models', () => {
    for (const { id, raw } of configs) {
      for (const component of parseModelConfig(id, raw).config!.components) {
        if (component.kind !== 'predator') continue;
        const model = models.find(component.modelName)!;
        expect(component.inputs.map(({ name, dataType, shape }) => [name, dataType, shape])).toEqual(model.inputs.map(({ name, datatype, shape }) => [name, datatype, shape.slice(1)]));
        expect(component.outputs.map(({ name, dataType }) => [name, dataType])).toEqual(model.outputs.map(({ name, datatype }) => [name, datatype]));
      }
    }
  });
});

describe('requests', () => {
  it.each([
    ['rank-drama', PointWiseRequestSchema],
    ['compare-films', PairWiseRequestSchema],
    ['plan-evening', SlateWiseRequestSchema],
    ['score-for-many-users', InferflowRequestProtoSchema],
  ])('%s is a message of its method', (name, schema) => {
    const message = fromJson(schema, readJson(`requests/${name}.connect.json`) as JsonValue);
    expect(configs.map((config) => config.id)).toContain(message.modelConfigId);
  });
});

describe('embedded backends', () => {
  it('give the golden scores: features from the store into the models', async () => {
    const store = await createMemoryFeatureStore({ schema: path(manifest.featureStore) });
    const handler = createFeatureStoreHandler(store);
    const config = parseModelConfig('film-ranking', configs[0]!.raw).config!;
    const { targets } = caseOf('InferPointWise');
    const filmIds = targets.map((row) => String(row['film_id']));
    const columns = new Map<string, number[]>();
    for (const [componentName, ids] of [['film', filmIds], ['user', filmIds.map(() => 'audience-drama')]] as const) {
      const component = config.components.find((candidate) => candidate.componentName === componentName)!;
      if (component.kind !== 'feature') throw new TypeError(componentName);
      const query = create(RetrieveQuerySchema, {
        entityLabel: component.entityLabel,
        keysSchema: component.keys.map((key) => key.schema),
        featureGroups: component.groups.map(({ label, features }) => ({ label, featureLabels: [...features] })),
        keys: ids.map((id) => ({ cols: [id] })),
      });
      const answer = (await handler(RETRIEVE_FEATURES_PATH, toBinary(RetrieveQuerySchema, query), {}, () => new AbortController().signal)) as Uint8Array;
      const { rows } = fromBinary(RetrieveResultSchema, answer);
      for (const [index, { name }] of component.columns.entries()) {
        columns.set(name, rows.map((row) => (row.columns[index]!.length === 4 ? new DataView(row.columns[index]!.slice().buffer).getFloat32(0, true) : Number.NaN)));
      }
    }
    for (const component of config.components) {
      if (component.kind !== 'predator') continue;
      const inputs = component.inputs.map(({ name, features, shape }) => {
        const values = filmIds.flatMap((_, row) => features.map((feature) => columns.get(feature)![row]!));
        return { name, datatype: 'FP32', shape: [filmIds.length, ...shape], data: new Uint8Array(Float32Array.from(values).buffer) };
      });
      const [output] = await models.infer(component.modelName, '', inputs);
      const scores = new Float32Array(output!.data.slice().buffer);
      const column = component.outputs[0]!.scores[0]!.name;
      for (const [row, expected] of targets.entries()) expect(Math.abs(scores[row]! - Number(expected[column]))).toBeLessThanOrEqual(golden.tolerance);
    }
  });
});

function expectClose(actual: readonly Scores[], expected: readonly Scores[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [row, scores] of expected.entries()) {
    for (const [name, value] of Object.entries(scores)) {
      if (typeof value === 'number') expect(Math.abs(Number(actual[row]![name]) - value), `${name} of row ${row}`).toBeLessThanOrEqual(golden.tolerance);
      else expect(actual[row]![name]).toBe(value);
    }
  }
}
