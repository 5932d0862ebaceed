import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type EntityScoreData,
  type NumerixRequestProto,
  NumerixRequestProtoSchema,
  type NumerixResponseProto,
  NumerixResponseProtoSchema,
  type Score,
  ScoreSchema,
} from '@inferflow/proto';
import { byteId, readTable, textId } from './compute-table.js';
import { evaluateInto } from './evaluate.js';
import { unreadableLiteral } from './expression.js';
import { formatFloat } from './float-text.js';
import { ArithmeticFailure, type FloatColumn } from './kernels.js';
import type { CompiledExpression, Precision } from './program.js';

/** What `compute` needs of an engine. @internal */
export interface ExpressionLookup {
  /** Expression of a compute id for the given columns, undefined when there is none. */
  compileForService(computeId: string, columnNames: readonly string[], precision: Precision): CompiledExpression | undefined;
}

const ARITHMETIC: ReadonlySet<string> = new Set(Object.values(ArithmeticFailure));

/**
 * Answers one request of the expression service, bytes in and bytes out. Everything that is wrong with the request comes
 * back as the answer's `error`; checks run in a fixed order, so the first text is always the same.
 *
 * @throws when the bytes are no such message.
 */
export function computeReply(lookup: ExpressionLookup, request: Uint8Array): Uint8Array {
  return toBinary(NumerixResponseProtoSchema, compute(lookup, fromBinary(NumerixRequestProtoSchema, request)));
}

function compute(lookup: ExpressionLookup, request: NumerixRequestProto): NumerixResponseProto {
  const data = request.entityScoreData;
  if (data === undefined) return failed('Request validation failed: Missing entity_score_data');
  if (data.computeId === '') return failed('Request validation failed: Empty compute_id');
  if (data.entityScores.length === 0) return failed('Request validation failed: Empty entity_scores');
  if (data.schema.length === 0) return failed('Request validation failed: Empty schema');
  const mode = data.entityScores[0]!.matrixFormat.case;
  if (mode === undefined) return failed('Request validation failed: Missing data in entity_scores');
  const precision = precisionOf(data.dataType);
  const compiled = lookup.compileForService(data.computeId, data.schema, precision);
  if (compiled === undefined) return failed(`No expression configured for compute_id: ${data.computeId}`);
  // Where the original prints the request there is a short name of it here: values of a request do not belong in texts.
  const where = `compute_id ${data.computeId}`;
  const table = readTable(data, mode === 'stringData', compiled);
  if (table.failure !== null) return failed(`Score conversion failed for request '${where}': ${table.failure}`);
  const unreadable = unreadableLiteral(compiled.expression);
  if (unreadable !== undefined) {
    return failed(
      `Meta data parsing failed for compute_id '${data.computeId}' : Failed to parse number '${unreadable}' for compute_id '${data.computeId}': ParseFloatError { kind: Invalid }`,
    );
  }
  const rowCount = data.entityScores.length;
  const scores = precision === 'fp32' ? new Float32Array(rowCount) : new Float64Array(rowCount);
  const failure = evaluateInto(compiled, table.columns, rowCount, scores);
  if (failure !== null) {
    return failed(
      ARITHMETIC.has(failure)
        ? `Invalid operation for request '${where}': ${failure}`
        : `Calculation failed for request '${where}' : ${failure}`,
    );
  }
  return scored(data, mode === 'stringData', scores, precision);
}

function precisionOf(dataType: string | undefined): Precision {
  const lower = dataType?.toLowerCase();
  return lower === 'f32' || lower === 'fp32' ? 'fp32' : 'fp64';
}

function failed(message: string): NumerixResponseProto {
  return create(NumerixResponseProtoSchema, { response: { case: 'error', value: { message } } });
}

function scored(data: EntityScoreData, isText: boolean, scores: FloatColumn, precision: Precision): NumerixResponseProto {
  const bytes = new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength);
  const width = scores.BYTES_PER_ELEMENT;
  const rows: Score[] = data.entityScores.map((score, row) =>
    create(ScoreSchema, {
      matrixFormat: isText
        ? { case: 'stringData', value: { values: [textId(score), formatFloat(scores[row]!, precision)] } }
        : { case: 'byteData', value: { values: [byteId(score), bytes.subarray(row * width, (row + 1) * width)] } },
    }),
  );
  return create(NumerixResponseProtoSchema, {
    response: { case: 'computationScoreData', value: { schema: [data.schema[0]!, 'score'], computationScores: rows } },
  });
}
