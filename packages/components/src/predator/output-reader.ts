import type { PredatorComponentConfig } from '@inferflow/config';
import { type Block, CellStatus, scatterFixed, scatterTexts, v2ElementBytes } from '@inferflow/matrix';
import { type InferAnswer, RawScratch } from '@inferflow/proto/hot';
import { type FloatFormat, floatFormatOf, holdsNaN } from './not-a-number.js';

/** One output tensor as it is expected. */
interface ExpectedOutput {
  readonly name: string;
  readonly nameBytes: Uint8Array;
  /** V2 name; '' accepts any. */
  readonly datatype: string;
  /** Index of its first score among all scores of the component. */
  readonly firstScore: number;
  /** Elements per score; −1 = what the others leave. */
  readonly elements: readonly number[];
  readonly hasOpenScore: boolean;
}

const scratch = new RawScratch();
const encoder = new TextEncoder();
const noBytes = new Uint8Array(0);
const textLengthBytes = 4;

/**
 * Cuts scores out of model answers: outputs by name, rows by position, every datatype, raw and typed contents. `open` checks an output
 * against what was declared; only then `place` copies rows. One answer at a time, read without waiting: what `open` found may be gone at the
 * end of the turn.
 */
export class OutputReader {
  readonly outputs: readonly ExpectedOutput[];
  /** Rows of the opened output. */
  rows = 0;
  /** Why the last `open` said no. */
  problem = '';
  #output: ExpectedOutput | null = null;
  #bytes: Uint8Array = noBytes;
  #at = 0;
  #end = 0;
  #rowBytes = 0;
  #isText = false;
  #elementBytes = 0;
  #openElements = 0;
  #format: FloatFormat | null = null;

  constructor(config: PredatorComponentConfig) {
    let firstScore = 0;
    this.outputs = config.outputs.map((output) => {
      const elements = output.scores.map((score) =>
        score.dims.some((dim) => dim < 0) ? -1 : score.dims.reduce((product, dim) => product * dim, 1),
      );
      const expected: ExpectedOutput = {
        name: output.name,
        nameBytes: encoder.encode(output.name),
        datatype: v2ElementBytes(output.dataType) < 0 ? '' : output.dataType,
        firstScore,
        elements,
        hasOpenScore: elements.includes(-1),
      };
      firstScore += output.scores.length;
      return expected;
    });
  }

  /** Finds an output in an answer and checks name, datatype, shape and length. False with `problem` when it cannot be used. */
  open(index: number, message: Uint8Array, answer: InferAnswer): boolean {
    const expected = this.outputs[index] as ExpectedOutput;
    const found = answer.find(message, expected.nameBytes);
    this.rows = 0;
    if (found < 0) return this.#refuse(`output "${expected.name}" is not in the answer`);
    if (expected.datatype !== '' && !answer.hasType(message, found, expected.datatype)) {
      return this.#refuse(`output "${expected.name}" is ${printable(answer.typeText(message, found))} instead of ${expected.datatype}`);
    }
    const datatype = expected.datatype === '' ? answer.typeText(message, found) : expected.datatype;
    const elementBytes = v2ElementBytes(datatype);
    if (elementBytes < 0) return this.#refuse(`output "${expected.name}" has a datatype that is not known`);
    if (answer.rank(found) === 0) return this.#refuse(`output "${expected.name}" has no shape`);
    const rows = answer.dim(found, 0);
    const total = answer.elementCount(found);
    if (!(rows >= 0 && total >= 0) || !Number.isSafeInteger(total))
      return this.#refuse(`output "${expected.name}" has a negative or senseless shape`);
    const isText = elementBytes === 0;
    if (!this.#findBytes(message, answer, found, datatype, total))
      return this.#refuse(`output "${expected.name}" has no contents that fit its shape`);
    if (!isText && this.#end - this.#at !== total * elementBytes)
      return this.#refuse(`output "${expected.name}" has another length than its shape says`);
    if (isText && this.#skipTexts(this.#at, total) !== this.#end)
      return this.#refuse(`output "${expected.name}" holds texts that do not fit its shape`);
    const perRow = rows === 0 ? 0 : total / rows;
    if (rows > 0 && !this.#fitsScores(expected, perRow, isText)) {
      return this.#refuse(`output "${expected.name}" has ${perRow} values per row; its scores take ${wantedValues(expected, isText)}`);
    }
    this.#output = expected;
    this.#isText = isText;
    this.#elementBytes = elementBytes;
    this.#format = floatFormatOf(datatype);
    this.#rowBytes = perRow * elementBytes;
    this.rows = rows;
    return true;
  }

  /** Copies `count` rows from `fromRow` on into block rows from `toRow` on. `slots` are those of the output's scores. */
  place(block: Block, slots: readonly number[], widths: readonly number[], fromRow: number, count: number, toRow: number): void {
    if (count <= 0) return;
    const expected = this.#output as ExpectedOutput;
    if (this.#isText) {
      const start = this.#skipTexts(this.#at, fromRow * slots.length);
      scatterTexts(block, slots, this.#bytes, start, this.#skipTexts(start, count * slots.length), count, toRow, CellStatus.fresh);
      return;
    }
    const start = this.#at + fromRow * this.#rowBytes;
    if (!expected.hasOpenScore && isFixed(block, slots, expected, this.#elementBytes)) {
      scatterFixed(block, slots, widths, this.#bytes, start, count, toRow, CellStatus.fresh);
      return;
    }
    for (let row = 0; row < count; row++) this.#placeCells(block, slots, expected, start + row * this.#rowBytes, toRow + row);
  }

  /** Whether one of `count` rows from `fromRow` on holds NaN. */
  holdsNaN(fromRow: number, count: number): boolean {
    if (this.#format === null || count <= 0) return false;
    const start = this.#at + fromRow * this.#rowBytes;
    return holdsNaN(this.#format, this.#bytes, start, start + count * this.#rowBytes);
  }

  /** Fails the cells of a placed row whose value is NaN, or a vector that holds one. False when there is none. */
  failNaN(block: Block, slots: readonly number[], fromRow: number, toRow: number): boolean {
    if (this.#format === null) return false;
    const { elements } = this.#output as ExpectedOutput;
    let from = this.#at + fromRow * this.#rowBytes;
    let found = false;
    for (let index = 0; index < slots.length; index++) {
      const known = elements[index] as number;
      const to = from + (known < 0 ? this.#openElements : known) * this.#elementBytes;
      if (holdsNaN(this.#format, this.#bytes, from, to)) {
        block.markCell(toRow, slots[index] as number, CellStatus.failed);
        found = true;
      }
      from = to;
    }
    return found;
  }

  #placeCells(block: Block, slots: readonly number[], expected: ExpectedOutput, start: number, row: number): void {
    let from = start;
    for (let index = 0; index < slots.length; index++) {
      const elements = expected.elements[index] as number;
      const to = from + (elements < 0 ? this.#openElements : elements) * this.#elementBytes;
      block.setBytes(row, slots[index] as number, this.#bytes, from, to, CellStatus.fresh);
      from = to;
    }
  }

  #fitsScores(expected: ExpectedOutput, perRow: number, isText: boolean): boolean {
    // A text score is one text, whatever its dims say.
    if (isText) return perRow === expected.elements.length;
    let known = 0;
    let open = 0;
    for (const elements of expected.elements) {
      if (elements < 0) open++;
      else known += elements;
    }
    this.#openElements = perRow - known;
    return open === 0 ? perRow === known : open === 1 && perRow >= known && Number.isInteger(perRow);
  }

  /** Typed contents where the output has some, else the raw contents at its position. */
  #findBytes(message: Uint8Array, answer: InferAnswer, output: number, datatype: string, total: number): boolean {
    if (answer.hasContents(output)) {
      const count = answer.readContents(message, output, datatype, total, scratch);
      if (scratch.isLarge) queueMicrotask(() => this.#letGo());
      if (count !== total) return false;
      this.#bytes = scratch.bytes;
      this.#at = 0;
      this.#end = scratch.length;
      return true;
    }
    if (output < answer.rawCount) {
      this.#bytes = message;
      this.#at = answer.rawStart(output);
      this.#end = answer.rawEnd(output);
      return true;
    }
    this.#at = 0;
    this.#end = 0;
    return total === 0;
  }

  /** Lets go of the answer: readers are kept with the runs they serve, and the next answer may never come. */
  close(): void {
    this.#bytes = noBytes;
  }

  /** As `close`, and gives up what an unusually large answer needed. */
  #letGo(): void {
    this.#bytes = noBytes;
    scratch.trim();
  }

  /** Where `count` texts that begin at `at` end; −1 when they do not. */
  #skipTexts(at: number, count: number): number {
    let position = at;
    for (let text = 0; text < count; text++) {
      if (position + textLengthBytes > this.#end) return -1;
      const bytes = this.#bytes;
      const length =
        ((bytes[position] as number) |
          ((bytes[position + 1] as number) << 8) |
          ((bytes[position + 2] as number) << 16) |
          ((bytes[position + 3] as number) << 24)) >>>
        0;
      position += textLengthBytes + length;
    }
    return position;
  }

  #refuse(problem: string): boolean {
    this.problem = problem;
    return false;
  }
}

/** For messages. */
function wantedValues({ elements }: ExpectedOutput, isText: boolean): string {
  if (isText) return `${elements.length}, one text each`;
  const known = elements.reduce((sum, count) => sum + Math.max(count, 0), 0);
  const open = elements.filter((count) => count < 0).length;
  if (open > 1) return 'a number that cannot be told, as more than one is open';
  return open === 1 ? `${known} or more` : String(known);
}

function isFixed(block: Block, slots: readonly number[], expected: ExpectedOutput, elementBytes: number): boolean {
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index] as number;
    if (block.shape.slots[slot]?.isVariable !== false) return false;
    if (block.shape.widths[slot] !== (expected.elements[index] as number) * elementBytes) return false;
  }
  return true;
}

function printable(text: string): string {
  return /^[A-Za-z0-9_]{1,16}$/.test(text) ? text : 'of a strange datatype';
}
