import { lengthFieldSize, putBytes, putLength } from '../wire/write.js';
import { PredictKind } from './predict-request.js';
import { measureScoreRows, putScoreRows, ScoreTable } from './score-table.js';

/*
 * The three scoring answers as they are written; «…» repeats, tags in hex.
 *
 *   PointWiseResponse     «0a output column» | «12 target score» | a2 06 quality
 *   PairWise-, SlateWise  «0a pair or slate score» | «12 target score»
 *                         | «1a output column of targets» | «22 output column of pairs or slates» | a2 06 quality
 *
 *   score                 0a error | «12 value of output column 0, 1, …»        see score-table.ts
 *   output column         see output-schema.ts: constant per plan and request schema
 *   quality               see quality.ts
 */

/** Every scoring answer carries its quality in this field. */
export const QUALITY_FIELD = 100;

/**
 * A `PointWiseResponse`, `PairWiseResponse` or `SlateWiseResponse` that is about to be written: schemas as encoded fields, scores as
 * tables, quality as an encoded message. Reused from answer to answer.
 */
export class PredictResponseBody {
  /** Rows of `target_scores`. */
  readonly targets = new ScoreTable();
  /** Rows of `pair_scores` or `slate_scores`. */
  readonly slates = new ScoreTable();
  byteLength = 0;
  #kind: PredictKind = PredictKind.pointWise;
  #schemas: Uint8Array = empty;
  #quality: Uint8Array = empty;
  #qualityLength = -1;

  /**
   * Fixes the content and measures it. `schemas` are the output schemas, made by {@link encodeOutputSchemas} for this kind; the
   * quality is `quality[0, qualityLength)`, or absent with −1. A table with no rows is left out.
   */
  measure(kind: PredictKind, schemas: Uint8Array, quality: Uint8Array, qualityLength: number): number {
    this.#kind = kind;
    this.#schemas = schemas;
    this.#quality = quality;
    this.#qualityLength = qualityLength;
    let size = schemas.length + measureScoreRows(this.targets, 2, 1);
    if (kind !== PredictKind.pointWise) size += measureScoreRows(this.slates, 1, 1);
    if (qualityLength >= 0) size += lengthFieldSize(QUALITY_FIELD, qualityLength);
    this.byteLength = size;
    return size;
  }

  /** Writes the message; returns the next position. */
  write(target: Uint8Array, start: number): number {
    const schemas = this.#schemas;
    let at = start;
    if (this.#kind === PredictKind.pointWise) {
      at = putBytes(target, at, schemas, 0, schemas.length);
      at = putScoreRows(target, at, this.targets, 2, 2, 1);
    } else {
      at = putScoreRows(target, at, this.slates, 1, 2, 1);
      at = putScoreRows(target, at, this.targets, 2, 2, 1);
      at = putBytes(target, at, schemas, 0, schemas.length);
    }
    if (this.#qualityLength >= 0) {
      at = putLength(target, at, QUALITY_FIELD, this.#qualityLength);
      at = putBytes(target, at, this.#quality, 0, this.#qualityLength);
    }
    return at;
  }

  /** Lets go of everything it points to. */
  close(): void {
    this.targets.close();
    this.slates.close();
    this.#quality = empty;
    this.#schemas = empty;
  }
}

const empty = new Uint8Array(0);
