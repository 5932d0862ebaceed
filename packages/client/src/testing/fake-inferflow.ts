import { createRouterTransport, type Transport } from '@connectrpc/connect';
import { DataType, type EncodableValue, encodeValue } from '@inferflow/matrix';
import { type FeatureSchema, Predict } from '@inferflow/proto';
import type { FeatureTypeName } from '../feature-type.js';
import type { ScoreValue } from '../output-columns.js';

/** A row that the fake server was asked to score. */
export interface FakeRow {
  readonly modelConfigId: string;
  readonly scope: 'target' | 'pair' | 'slate';
  readonly index: number;
  /** Ids of the row's targets: one, two, or the slate's. */
  readonly ids: readonly string[];
  /** The row's own features as bytes, by name; those without a value are absent. */
  readonly features: Readonly<Record<string, Uint8Array>>;
  /** The request's features as bytes, by name. */
  readonly context: Readonly<Record<string, Uint8Array>>;
}

/** What the fake server answers. */
export interface FakeInferflowOptions {
  /** Output columns of every table. */
  readonly columns: Readonly<Record<string, FeatureTypeName>>;
  /** Values of a row by column; what is absent or null has no value. `error` is the row's error. Throwing fails the call. */
  score(row: FakeRow): Readonly<Record<string, ScoreValue>> & { readonly error?: string };
}

/**
 * A server in memory for tests of code that uses a client: pass the transport to
 * `createInferflowClient`. It answers the three Predict calls.
 */
export function createFakeInferflow(options: FakeInferflowOptions): Transport {
  const schema = Object.entries(options.columns).map(([name, type]) => ({ name, dataType: DataType[type] }));
  const answer = (row: FakeRow) => {
    const { error = '', ...values } = options.score(row);
    const outputValues = schema.map(({ name, dataType }) => {
      const value = values[name] ?? null;
      return value === null ? new Uint8Array(0) : value instanceof Uint8Array ? value : encodeValue(dataType, value as EncodableValue);
    });
    return { error, outputValues };
  };
  const scoreTargets = (request: SharedRequest) => {
    const context = Object.fromEntries(request.contextFeatures.map(({ name, value }) => [name, value]));
    const shared = { modelConfigId: request.modelConfigId, context };
    const targetScores = request.targets.map((target, index) => {
      const features = byName(request.targetInputSchema, target.featureValues);
      return answer({ ...shared, scope: 'target', index, ids: [target.id], features });
    });
    return { shared, targetOutputSchema: schema, targetScores };
  };
  return createRouterTransport(({ service }) => {
    service(Predict, {
      inferPointWise: (request) => scoreTargets(request),
      inferPairWise(request) {
        const { shared, ...targets } = scoreTargets(request);
        const pairScores = request.pairs.map((pair, index) => {
          const ids = [pair.firstTargetIndex, pair.secondTargetIndex].map((target) => request.targets[target]!.id);
          return answer({ ...shared, scope: 'pair', index, ids, features: byName(request.pairInputSchema, pair.featureValues) });
        });
        return { ...targets, pairOutputSchema: schema, pairScores };
      },
      inferSlateWise(request) {
        const { shared, ...targets } = scoreTargets(request);
        const slateScores = request.slates.map((slate, index) => {
          const ids = slate.targetIndices.map((target) => request.targets[target]!.id);
          return answer({ ...shared, scope: 'slate', index, ids, features: byName(request.slateInputSchema, slate.featureValues) });
        });
        return { ...targets, slateOutputSchema: schema, slateScores };
      },
    });
  });
}

interface SharedRequest {
  readonly modelConfigId: string;
  readonly contextFeatures: readonly { readonly name: string; readonly value: Uint8Array }[];
  readonly targetInputSchema: readonly FeatureSchema[];
  readonly targets: readonly { readonly id: string; readonly featureValues: readonly Uint8Array[] }[];
}

function byName(schema: readonly FeatureSchema[], values: readonly Uint8Array[]): Record<string, Uint8Array> {
  return Object.fromEntries(schema.flatMap(({ name }, index) => (values[index]?.length ? [[name, values[index]]] : [])));
}
