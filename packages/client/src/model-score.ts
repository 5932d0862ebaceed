import { create } from '@bufbuild/protobuf';
import { type InferflowRequestProto, InferflowRequestProtoSchema, type InferflowResponseProto } from '@inferflow/proto';
import { featureText, hasText } from './encode-feature.js';
import { ClientError, ClientErrorCode, type Problem } from './errors.js';
import type { FeatureValue } from './feature-type.js';
import { listOf, requestOptions } from './predict-request.js';
import { type Quality, toQuality } from './quality.js';

/** One kind of thing with its ids, one per row. */
export interface ScoreEntity {
  /** Name of the kind, as the model's keys call it. */
  readonly entity: string;
  /** The rows, in the first entity; in the others one id per row, or a single one for all rows. */
  readonly ids: readonly string[];
  /** Values by feature name: one per row, or a single one for all, which is sent for each row. */
  readonly features?: Readonly<Record<string, readonly FeatureValue[]>>;
}

/** Scores entities through the text API. */
export interface ModelScoreRequest {
  readonly modelConfigId: string;
  readonly entities: readonly ScoreEntity[];
  /** Identifies the request in logs. @default a new one; the result tells it */
  readonly trackingId?: string;
  /** Sent as `user-id`: the entity `user_id` of models that use it, and the user of the log. */
  readonly userId?: string;
  /** Sent as `app-version-code`: the entity `app_version_code` of models that use it. */
  readonly appVersionCode?: string;
  /** True: the answer comes without `quality`. @default false */
  readonly omitQuality?: boolean;
  /** True: `quality.configHash` is filled. @default false */
  readonly includeConfigHash?: boolean;
}

/** One row of a text answer. */
export interface ModelScoreRow {
  readonly index: number;
  /** Text by column; null where there is none. */
  readonly values: Readonly<Record<string, string | null>>;
  /** Why the row's scores do not rest on real inputs alone; '' if they do, as far as the server tells. */
  readonly error: string;
}

/** Answer of the text API. */
export interface ModelScoreResult {
  readonly trackingId: string;
  /** Column names in answer order. */
  readonly columns: readonly string[];
  readonly rows: readonly ModelScoreRow[];
  /** Rows with an error. */
  readonly faults: readonly { readonly index: number; readonly error: string }[];
  readonly quality: Quality | null;
}

/** Builds the message; everything wrong is added to `problems`. */
export function buildModelScore(request: ModelScoreRequest, trackingId: string, problems: Problem[]): InferflowRequestProto {
  if (typeof request.modelConfigId !== 'string' || request.modelConfigId === '') {
    problems.push({ path: 'modelConfigId', message: 'expected the name of a model configuration' });
  }
  const entities = listOf(request.entities, 'entities', problems);
  const rows = rowCount(request);
  const names = new Set<string>();
  const checkName = (name: string, path: string) => {
    if (names.has(name)) {
      problems.push({ path, message: 'the name is used twice; the server would ignore the second' });
    }
    names.add(name);
  };
  return create(InferflowRequestProtoSchema, {
    modelConfigId: request.modelConfigId,
    trackingId,
    entities: entities.map((entity, index) => {
      const path = `entities[${index}]`;
      if (typeof entity.entity !== 'string') {
        problems.push({ path: `${path}.entity`, message: `expected a string, got a ${typeof entity.entity}` });
      }
      checkName(entity.entity, `${path}.entity`);
      const ids = valuesOf(entity.ids, rows, `${path}.ids`, problems);
      const wrong = ids.findIndex((id) => typeof id !== 'string');
      if (wrong >= 0) {
        problems.push({ path: `${path}.ids[${wrong}]`, message: `expected a string, got a ${typeof ids[wrong]}` });
      }
      const features = Object.entries(entity.features ?? {}).map(([name, values]) => {
        const featurePath = `${path}.features[${JSON.stringify(name)}]`;
        checkName(name, featurePath);
        const texts = valuesOf(values, rows, featurePath, problems).map((value, row) => {
          if (value === null || value === undefined) return '';
          if (hasText(value)) return featureText(value);
          problems.push({ path: `${featurePath}[${row}]`, message: 'expected a text, a number, a boolean or a list of them' });
          return '';
        });
        // The protocol has no single value for all rows: a list of another length than the rows is not used.
        return { name, idsFeatureValue: texts.length === 1 ? new Array<string>(rows).fill(texts[0]!) : texts };
      });
      return { entity: entity.entity, ids: [...ids], features };
    }),
    ...requestOptions(request),
  });
}

/** Reads an answer. @throws ClientError if it is an error or not an answer to the request */
export function toModelScoreResult(request: ModelScoreRequest, trackingId: string, response: InferflowResponseProto): ModelScoreResult {
  if (response.error !== undefined && response.error.message !== '') {
    throw new ClientError(ClientErrorCode.callFailed, `the server answered with an error: ${response.error.message}`, { trackingId });
  }
  const [head, ...lines] = response.componentData;
  const columns = head?.data ?? [];
  const asked = rowCount(request);
  if (lines.length !== asked) {
    throw new ClientError(ClientErrorCode.answerInvalid, `the answer has ${lines.length} rows, ${asked} were asked`, { trackingId });
  }
  const errors = new Map(response.rowErrors.map((fault) => [fault.row, fault.error]));
  const rows = lines.map((line, index) => {
    if (line.data.length !== columns.length) {
      const message = `row ${index} has ${line.data.length} values, the header has ${columns.length} columns`;
      throw new ClientError(ClientErrorCode.answerInvalid, message, { trackingId });
    }
    const values: Record<string, string | null> = Object.create(null);
    columns.forEach((name, column) => {
      values[name] = line.data[column] === '' ? null : line.data[column]!;
    });
    return { index, values, error: errors.get(index) ?? '' };
  });
  const faults = rows.filter((row) => row.error !== '').map(({ index, error }) => ({ index, error }));
  return { trackingId, columns, rows, faults, quality: toQuality(response.quality) };
}

function rowCount(request: ModelScoreRequest): number {
  return request.entities?.[0]?.ids?.length ?? 0;
}

function valuesOf<Value>(values: readonly Value[], rows: number, path: string, problems: Problem[]): readonly Value[] {
  if (!Array.isArray(values)) {
    problems.push({ path, message: 'expected an array' });
    return [];
  }
  if (values.length !== rows && values.length !== 1) {
    problems.push({ path, message: `expected ${rows} values, one per row, or a single one for all rows; got ${values.length}` });
  }
  return values;
}
