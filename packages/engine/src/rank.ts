import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type DataType, decodeValue } from '@inferflow/matrix';
import {
  outcomeName,
  PointWiseRequestSchema,
  type PointWiseResponse,
  PointWiseResponseSchema,
  plainCellCounts,
  type Quality,
} from '@inferflow/proto';
import type { ModelPlan } from './compile/model-plan.js';
import type { CallInfo } from './engine.js';
import { EngineError } from './errors.js';
import { inferDataType, toTextBytes, toTypedBytes } from './feature-bytes.js';
import type { FeatureValue, RankedRow, RankedValue, RankQuality, RankRequest, RankResult } from './rank-request.js';

const noBytes = new Uint8Array(0);

/** A ranking question as the bytes of a `PointWiseRequest`. @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID */
function encodeRankRequest(modelConfigId: string, request: RankRequest, plan: ModelPlan | null): Uint8Array {
  const isText = plan?.config.requestValues !== 'typed';
  const types = new Map<string, DataType>();
  for (const { features = {} } of request.targets) {
    for (const [name, value] of Object.entries(features))
      if (!types.has(name)) types.set(name, request.types?.[name] ?? inferDataType(value));
  }
  const names = [...types.keys()];
  const bytesOf = (name: string, value: FeatureValue | undefined, type: DataType): Uint8Array => {
    if (value === undefined) return noBytes;
    try {
      return isText ? toTextBytes(value) : toTypedBytes(value, type);
    } catch (cause) {
      throw new EngineError(
        'INFERFLOW_ENGINE_OPTIONS_INVALID',
        `feature "${name}": ${cause instanceof Error ? cause.message : 'it cannot be encoded'}`,
        { cause },
      );
    }
  };
  return toBinary(
    PointWiseRequestSchema,
    create(PointWiseRequestSchema, {
      modelConfigId,
      trackingId: request.trackingId ?? '',
      contextFeatures: Object.entries(request.context ?? {}).map(([name, value]) => {
        const dataType = request.types?.[name] ?? inferDataType(value);
        return { name, dataType, value: bytesOf(name, value, dataType) };
      }),
      targetInputSchema: names.map((name) => ({ name, dataType: types.get(name) as DataType })),
      targets: request.targets.map(({ id, features }) => ({
        id,
        featureValues: names.map((name) => bytesOf(name, features?.[name], types.get(name) as DataType)),
      })),
    }),
  );
}

/** Asks through the given door and turns the answer into sorted rows. @throws EngineError */
export async function rank(
  modelConfigId: string,
  request: RankRequest,
  plan: ModelPlan | null,
  handle: (message: Uint8Array, call: CallInfo) => Promise<Uint8Array>,
  call: CallInfo,
): Promise<RankResult> {
  const sortedBy = plan === null ? '' : sortColumn(plan, request.sortBy);
  const answer = fromBinary(PointWiseResponseSchema, await handle(encodeRankRequest(modelConfigId, request, plan), call));
  const rows = rowsOf(answer, request, sortedBy).sort(byScore);
  return { rows, sortedBy, quality: qualityOf(answer.quality), errorCount: rows.filter(({ error }) => error !== '').length };
}

/** The column to sort by: the one asked for, else the last response column that a model, an expression or a plugin writes. */
function sortColumn(plan: ModelPlan, asked: string | undefined): string {
  const { features } = plan.config.response;
  if (asked !== undefined) {
    if (features.includes(asked)) return asked;
    throw new EngineError(
      'INFERFLOW_ENGINE_OPTIONS_INVALID',
      `sortBy "${asked}" is not among the response features of model "${plan.modelConfigId}": ${features.join(', ')}`,
    );
  }
  const scores = new Set(
    plan.components.flatMap(({ component, config, shape }) =>
      config.kind === 'feature' || component.scope === 'slate' ? [] : (shape?.slots.map(({ name }) => name) ?? []),
    ),
  );
  return features.findLast((name) => scores.has(name)) ?? '';
}

function rowsOf(answer: PointWiseResponse, request: RankRequest, sortedBy: string): RankedRow[] {
  const columns = answer.targetOutputSchema;
  return answer.targetScores.map(({ error, outputValues }, index) => {
    const values: Record<string, RankedValue> = {};
    columns.forEach(({ name, dataType }, column) => {
      const bytes = outputValues[column] ?? noBytes;
      // The enum of the protocol and the table of types have the same numbers.
      values[name] = bytes.length === 0 ? null : decodeValue(dataType as number as DataType, bytes);
    });
    return { id: request.targets[index]?.id ?? '', index, score: scoreOf(values[sortedBy]), values, error };
  });
}

function scoreOf(value: RankedValue | undefined): number | null {
  const first = Array.isArray(value) ? value[0] : value;
  if (typeof first !== 'number' && typeof first !== 'bigint') return null;
  const score = Number(first);
  return Number.isNaN(score) ? null : score;
}

/** Largest first; rows without a score last; ties in the order of the request. */
function byScore(left: RankedRow, right: RankedRow): number {
  if (left.score === right.score) return left.index - right.index;
  if (left.score === null) return 1;
  if (right.score === null) return -1;
  return right.score - left.score;
}

function qualityOf(quality: Quality | undefined): RankQuality {
  const defaulted = new Map(quality?.inputsDefaulted.map(({ component, count }) => [component, count]));
  return {
    components: (quality?.components ?? []).map(({ name, status, reason, durationUs }) => ({
      componentName: name,
      status: outcomeName(status) ?? 'failed',
      reason,
      durationMs: durationUs / 1000,
      defaultedInputs: defaulted.get(name) ?? 0,
    })),
    cells: plainCellCounts(quality?.cells),
    absentColumns: Object.fromEntries((quality?.absentColumns ?? []).map(({ component, columns }) => [component, columns])),
  };
}
