import type { ComputeAnswer } from '@inferflow/proto/hot';
import type { Chunk } from '../chunks.js';
import type { ComputeRows } from './compute-call.js';

const decoder = new TextDecoder();

/**
 * Which answered row belongs to which row of a chunk. The service gives ids back: rows that are missing, too many or in another order
 * are found by them. A service that gives no ids back is taken by position.
 */
export class AnsweredRows {
  #rowOf = new Int32Array(64);

  /** Looks at an answer whose rows are not slates. */
  match(answer: ComputeAnswer, message: Uint8Array, chunk: Chunk, input: ComputeRows): void {
    const asked = chunk.to - chunk.from;
    if (this.#rowOf.length < asked) this.#rowOf = new Int32Array(asked * 2);
    let inPlace = 0;
    for (let row = 0; row < asked; row++) {
      this.#rowOf[row] = row < answer.rowCount ? row : -1;
      if (row < answer.rowCount && isId(answer, message, row, chunk.from + row, input)) inPlace++;
    }
    if (inPlace === asked) return;
    const byId = answeredById(answer, message);
    const found: number[] = [];
    let matches = 0;
    for (let row = 0; row < asked; row++) {
      const answered = byId.get(input.ids.textAt(matrixRow(input, chunk.from + row)))?.shift() ?? -1;
      if (answered >= 0) matches++;
      found.push(answered);
    }
    // None at all: what stands there is no id.
    if (matches > 0) this.#rowOf.set(found);
  }

  /** The answered row of a row of the chunk, counted from its first; −1 = it did not come. */
  answered(row: number): number {
    return this.#rowOf[row] as number;
  }
}

function matrixRow(input: ComputeRows, position: number): number {
  return input.rows === null ? position : (input.rows[position] as number);
}

function isId(answer: ComputeAnswer, message: Uint8Array, row: number, position: number, { ids, rows }: ComputeRows): boolean {
  const at = (rows === null ? position : (rows[position] as number)) * 2;
  const start = ids.ranges[at] as number;
  const length = ids.ranges[at + 1] as number;
  const from = answer.idStart(row);
  if (from < 0 || answer.idEnd(row) - from !== length) return false;
  for (let index = 0; index < length; index++) if (message[from + index] !== ids.bytes[start + index]) return false;
  return true;
}

function answeredById(answer: ComputeAnswer, message: Uint8Array): Map<string, number[]> {
  const byId = new Map<string, number[]>();
  for (let row = 0; row < answer.rowCount; row++) {
    if (answer.idStart(row) < 0) continue;
    const id = decoder.decode(message.subarray(answer.idStart(row), answer.idEnd(row)));
    const same = byId.get(id);
    if (same === undefined) byId.set(id, [row]);
    else same.push(row);
  }
  return byId;
}
