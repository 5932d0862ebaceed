import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NumerixComponentConfig } from '@inferflow/config';
import { CellStatus, DataType } from '@inferflow/matrix';
import { NumerixRequestProtoSchema, NumerixResponseProtoSchema } from '@inferflow/proto';
import type { Upstream } from '@inferflow/transport';
import { featureDefinition } from './feature/feature-component.js';
import * as store from './feature/feature-store.fixture.js';
import { numerixDefinition } from './numerix/numerix-component.js';
import * as models from './predator/predator-component.fixture.js';
import { predatorDefinition } from './predator/predator-component.js';
import { createTestBackend, type TestBackendOptions, TestBench, type TestOptions } from './testing/index.js';

const columns = { item: ['i0', 'i1', 'i2', 'i3'], price: [1, 2, 3, 4] };
const slate = { targets: [[0, 1], [2], [3]] };

function scoresFor(message: Uint8Array): Uint8Array {
  const { rows } = models.decode(message);
  return models.answerOf([{ name: 'o', datatype: 'FP32', shape: [rows, 1], raw: models.floats(Array(rows).fill(7)) }]);
}

function featuresFor(message: Uint8Array): Uint8Array {
  return store.answerTo(store.decodeQuery(message), store.cellOf);
}

function resultsFor(message: Uint8Array): Uint8Array {
  const rows = fromBinary(NumerixRequestProtoSchema, message).entityScoreData?.entityScores ?? [];
  const computationScores = rows.map(({ matrixFormat }) => ({
    matrixFormat: {
      case: 'byteData' as const,
      value: { values: [...(matrixFormat.value?.values ?? []).slice(0, 1), models.floats([7])] as Uint8Array[] },
    },
  }));
  const value = { schema: ['item', 'final'], computationScores };
  return toBinary(NumerixResponseProtoSchema, create(NumerixResponseProtoSchema, { response: { case: 'computationScoreData', value } }));
}

const compute: NumerixComponentConfig = {
  kind: 'numerix',
  componentName: 'n',
  onFailure: 'default',
  componentId: 'item',
  scoreColumn: 'final',
  dataType: DataType.FP32,
  dataTypeText: 'DataTypeFP32',
  computeId: 'sum',
  variables: [{ variable: 'x', dataType: DataType.FP32, dataTypeText: 'DataTypeFP32', column: 'price' }],
  scope: 'slate',
};

/** A component that calls a service. */
export interface Kind {
  readonly name: string;
  readonly answer: (message: Uint8Array) => Uint8Array;
  readonly bench: (upstream: Upstream, options?: TestBackendOptions) => TestBench;
}

const backendOf = (upstream: Upstream, options?: TestBackendOptions) =>
  createTestBackend(upstream, { deadlineMs: 60_000, batchSize: 2, ...options });
const modelBench = (own: Partial<TestOptions>) => (upstream: Upstream, options?: TestBackendOptions) =>
  new TestBench(predatorDefinition, {
    config: models.configOf(),
    columns,
    backends: { model: () => backendOf(upstream, options) },
    ...own,
  });
const storeBench = (own: Partial<TestOptions>) => (upstream: Upstream, options?: TestBackendOptions) =>
  new TestBench(featureDefinition, {
    config: store.configOf({}),
    columns,
    backends: { featureStore: backendOf(upstream, options) },
    ...own,
  });
const computeBench = (upstream: Upstream, options?: TestBackendOptions) =>
  new TestBench(numerixDefinition, { config: compute, columns, slate, backends: { compute: backendOf(upstream, options) } });

/** One of every kind; a backend answers two rows per call unless `options` say otherwise. */
export const kinds: readonly Kind[] = [
  { name: 'a model, slates', answer: scoresFor, bench: modelBench({ config: models.configOf({ scope: 'slate' }), slate }) },
  { name: 'a model, targets', answer: scoresFor, bench: modelBench({}) },
  { name: 'a model, common calls', answer: scoresFor, bench: modelBench({ config: models.configOf({ coalesce: true }) }) },
  { name: 'features', answer: featuresFor, bench: storeBench({ shareFetches: false }) },
  { name: 'features, common calls', answer: featuresFor, bench: storeBench({}) },
  { name: 'a computation', answer: resultsFor, bench: computeBench },
];

/** Until the end of this turn of the event loop, when common calls leave. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a request; `isRight` once all its rows have values. */
export function begin(bench: TestBench, budgetMs?: number) {
  const request = bench.createRequest(budgetMs === undefined ? {} : { deadlineMs: budgetMs });
  const state = bench.createState();
  request.begin(state);
  const isRight = () => {
    const block = state.written;
    return block !== null && state.faults.count === 0 && block.counts[CellStatus.fresh] === block.rowCount * block.shape.slots.length;
  };
  return { request, state, isRight };
}

/** Of these, the ones whose calls requests share. */
export const sharing: readonly Kind[] = kinds.filter(({ name }) => name.endsWith('common calls'));
