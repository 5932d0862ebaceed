import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromJson } from '@bufbuild/protobuf';
import type { Backends, ServiceBackend } from '@inferflow/components';
import { createDirectorySource } from '@inferflow/config';
import { createEngine, type Engine } from '@inferflow/engine';
import { createFeatureStoreHandler, createMemoryFeatureStore } from '@inferflow/feature-store';
import { createLocalModels, createModelHandler, findModels, type LocalModels } from '@inferflow/model-server';
import { createExpressionEngine, loadExpressions } from '@inferflow/numerix';
import { InferflowRequestProtoSchema, PairWiseRequestSchema, PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { type CallHead, createCallHead, createLocalUpstream, type LocalHandler } from '@inferflow/transport';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

type Scores = Readonly<Record<string, number | string>>;
interface GoldenCase {
  readonly request: string;
  readonly rpc: string;
  readonly targets: readonly Scores[];
  readonly pairs?: readonly Scores[];
  readonly slates?: readonly Scores[];
}

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const readJson = (name: string) => JSON.parse(readFileSync(path(name), 'utf8'));
const golden: { tolerance: number; cases: GoldenCase[] } = readJson('golden.json');

let models: LocalModels;
let engine: Engine;
beforeAll(async () => {
  models = await createLocalModels({ models: await findModels(path('onnx')) });
  const store = await createMemoryFeatureStore({ schema: path('features/store.yaml') });
  const featureStore = serviceOf('feature store', createFeatureStoreHandler(store), 20);
  const modelService = serviceOf('models', createModelHandler(models), 0);
  const backends: Backends = {
    featureStore,
    model: (endpoint) => (endpoint === 'local' ? modelService : null),
    compute: null,
    expressions: createExpressionEngine({ expressions: await loadExpressions(path('expressions.json')) }),
  };
  engine = await createEngine({ configSource: createDirectorySource({ directory: path('.') }), backends });
});
afterAll(async () => {
  await engine?.close(0);
  await models.close(0);
});

function serviceOf(description: string, handler: LocalHandler, batchSize: number): ServiceBackend {
  const heads = new Map<string, CallHead>();
  return {
    upstream: createLocalUpstream(description, handler),
    deadlineMs: 5000,
    batchSize,
    description,
    head(method) {
      const head = heads.get(method) ?? createCallHead({ path: method, authority: 'local' });
      heads.set(method, head);
      return head;
    },
  };
}

interface Row {
  readonly error: string;
  readonly outputValues: readonly Uint8Array[];
}

/** Rows of a Predict answer by column name; FP32 where a column says so, else text. */
function rowsOf(schema: readonly { readonly name: string; readonly dataType: number }[], rows: readonly Row[]): Record<string, number | string>[] {
  const FP32 = 4;
  return rows.map((row) => {
    expect(row.error).toBe('');
    return Object.fromEntries(
      schema.map(({ name, dataType }, index) => {
        const bytes = row.outputValues[index]!;
        return [name, dataType === FP32 ? new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true) : new TextDecoder().decode(bytes)];
      }),
    );
  });
}

function expectGolden(actual: readonly Record<string, unknown>[], expected: readonly Scores[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [row, scores] of expected.entries()) {
    for (const [name, value] of Object.entries(scores)) {
      const got = actual[row]![name];
      if (typeof value === 'string') expect(got, `${name} of row ${row}`).toBe(value);
      else expect(Math.abs(Number(got) - value), `${name} of row ${row}: ${got}, expected ${value}`).toBeLessThanOrEqual(golden.tolerance);
    }
  }
}

describe('the demo', () => {
  const caseOf = (rpc: string) => golden.cases.find((candidate) => candidate.rpc === rpc)!;
  const messageOf = (request: string) => readJson(request.replace('.json', '.connect.json'));

  it('ranks films: InferPointWise', async () => {
    const { request, targets } = caseOf('InferPointWise');
    const answer = await engine.inferPointWise(fromJson(PointWiseRequestSchema, messageOf(request)));
    expectGolden(rowsOf(answer.targetOutputSchema, answer.targetScores), targets);
  });

  it('scores films for many users: RetrieveModelScore', async () => {
    const { request, targets } = caseOf('RetrieveModelScore');
    const answer = await engine.retrieveModelScore(fromJson(InferflowRequestProtoSchema, messageOf(request)));
    const [header, ...rows] = answer.componentData.map((component) => component.data);
    expectGolden(
      rows.map((row) => Object.fromEntries(header!.map((name, index) => [name, row[index]]))),
      targets,
    );
  });

  it('compares films: InferPairWise', async () => {
    const { request, targets, pairs } = caseOf('InferPairWise');
    const answer = await engine.inferPairWise(fromJson(PairWiseRequestSchema, messageOf(request)));
    expectGolden(rowsOf(answer.targetOutputSchema, answer.targetScores), targets);
    expectGolden(rowsOf(answer.pairOutputSchema, answer.pairScores), pairs!);
  });

  it('plans evenings: InferSlateWise', async () => {
    const { request, targets, slates } = caseOf('InferSlateWise');
    const answer = await engine.inferSlateWise(fromJson(SlateWiseRequestSchema, messageOf(request)));
    expectGolden(rowsOf(answer.targetOutputSchema, answer.targetScores), targets);
    expectGolden(rowsOf(answer.slateOutputSchema, answer.slateScores), slates!);
  });
});
