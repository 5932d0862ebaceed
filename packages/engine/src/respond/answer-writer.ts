import { InferflowResponseBody, PredictKind, PredictResponseBody, QualityWriter } from '@inferflow/proto/hot';
import type { BodyWriter } from '@inferflow/transport';
import { predictKindOf } from '../compile/bind-plan.js';
import type { RequestRun } from '../run/request-run.js';
import { fillBytes, fillTexts, type UnreadableTexts } from './fill-cells.js';
import { writeQuality } from './quality.js';
import { collectRowErrors, type RowErrors } from './row-errors.js';

/**
 * Turns ended runs into response messages, one at a time: a body points into the run's matrices and must be written before the next
 * one is made and before the run is closed.
 */
export class AnswerWriter {
  /** Rows of the last answer that carry an error. */
  faultyRows = 0;
  readonly #predict = new PredictResponseBody();
  readonly #inferflow = new InferflowResponseBody();
  readonly #quality = new QualityWriter();

  /** `isExtended`: the model inputs in front of the response columns. */
  write(run: RequestRun, isExtended: boolean): BodyWriter {
    const { bound, matrix } = run;
    const qualityLength = run.omitQuality ? -1 : this.#writeQuality(run);
    const kind = predictKindOf(bound.schema.method);
    if (kind === null) {
      const program = isExtended ? bound.extendedAnswer() : bound.answer;
      const body = this.#inferflow;
      const unreadable = fillTexts(body.rows, matrix, program.targets, bound.plan.compat ? 'compat-answer' : 'answer');
      const errors = this.#rowErrors(run, unreadable);
      // Rows of text have no place for an error of their own: the field is ours and goes with the quality.
      body.rows.errors = run.omitQuality ? null : errors.targets;
      body.measure(program.head, this.#quality.bytes, qualityLength);
      return body;
    }
    const errors = this.#rowErrors(run, null);
    const body = this.#predict;
    const { targets, slates, head } = bound.answer;
    // A pair or slate answer without target columns has no target part; a pointwise one always has its rows.
    if (targets.length > 0 || kind === PredictKind.pointWise) {
      fillBytes(body.targets, matrix, targets);
      body.targets.errors = errors.targets;
    } else body.targets.open(0, 0);
    if (run.slate !== null && slates.length > 0) {
      fillBytes(body.slates, run.slate.matrix, slates);
      body.slates.errors = errors.slates;
    } else body.slates.open(0, 0);
    body.measure(kind, head, this.#quality.bytes, qualityLength);
    return body;
  }

  /** Lets go of the last answer's matrices. */
  close(): void {
    this.#predict.close();
    this.#inferflow.close();
  }

  #rowErrors(run: RequestRun, unreadable: UnreadableTexts | null): RowErrors {
    const errors = collectRowErrors(run, unreadable);
    this.faultyRows = countTexts(errors.targets) + countTexts(errors.slates);
    return errors;
  }

  #writeQuality(run: RequestRun): number {
    writeQuality(this.#quality, run);
    return this.#quality.length;
  }
}

function countTexts(texts: readonly (Uint8Array | null)[] | null): number {
  if (texts === null) return 0;
  let count = 0;
  for (const text of texts) if (text !== null) count++;
  return count;
}
