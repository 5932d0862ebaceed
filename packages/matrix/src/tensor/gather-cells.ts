import type { Block } from '../block.js';
import type { ByteBuffer } from '../byte-buffer.js';
import { CellStatus } from '../cell-status.js';
import { type ConvertJob, createConvertJob } from '../convert/convert-job.js';
import { appendText } from '../convert/format-text.js';
import { appendParsed } from '../convert/parse-text.js';
import { copyRows } from '../convert/resolve-conversion.js';
import { DataType } from '../data-type.js';
import { DefaultedRow } from './defaulted-row.js';
import type { Alternative, GatherPlan, PlannedSource, Variant } from './gather-plan.js';
import { SourceWidths } from './source-widths.js';

/*
 * A cell is at starts[block][row] + offset: the bytes of a fixed slot; of a variable one their start and length (u32) in block.heap.
 * What comes out is appended to #staged, without padding, in one of two forms:
 *
 *   stageColumn   | row 0 | row 1 | …                             one source, equally wide in all rows; the next source behind it
 *   stageRows     | row 0: source 0, source 1, … | row 1: … |     offsets[row] says where, offsets[count] is the end
 *     of BYTES        u32 length, text                            without a value length 0, in compat 0.0 for a text
 *     of numbers      as many elements as the cell has            compat only; see isRagged
 */

/**
 * The cell-by-cell part of a gather: texts, variable cells, sources with two columns, defaults other than zero. Works them out once per
 * run into staged bytes, so that writing is copying.
 */
export class CellStager {
  readonly #plan: GatherPlan;
  readonly #staged: ByteBuffer;
  readonly #job: ConvertJob = createConvertJob();
  readonly #one = new Int32Array(1);
  readonly #oneLength = new Int32Array(1);
  #starts: readonly Int32Array[] = [];
  #blocks: readonly (Block | null)[] = [];
  #variant: Variant | null = null;
  #count = 0;
  #defaultedRows: Uint8Array = new Uint8Array(0);
  /** Whether the last look found that the sources have nothing, as against a value that was lost. */
  #isAbsent = true;
  #steps = new Int32Array(0);
  #stepBytes = -1;
  /** Per source, once `#hasWidths`. */
  readonly #widths: SourceWidths;
  #hasWidths = false;
  // The cell that `#find` found.
  #found: Alternative | null = null;
  #bytes: Uint8Array = emptyBytes;
  #view: DataView = emptyView;
  #start = 0;
  #length = 0;

  constructor(plan: GatherPlan, staged: ByteBuffer) {
    this.#plan = plan;
    this.#staged = staged;
    this.#widths = new SourceWidths(plan, this);
  }

  /** Nobody can tell how wide the sources are: values would land where they do not belong. After `elementsOf`. */
  get isUncertain(): boolean {
    return this.#hasWidths && this.#widths.isUncertain;
  }

  bind(variant: Variant, blocks: readonly (Block | null)[], starts: readonly Int32Array[], count: number, defaultedRows: Uint8Array): void {
    this.#variant = variant;
    this.#blocks = blocks;
    this.#starts = starts;
    this.#count = count;
    this.#defaultedRows = defaultedRows;
    this.#hasWidths = false;
  }

  unbind(): void {
    this.#blocks = [];
    this.#found = null;
    this.#bytes = this.#job.source = this.#job.target = emptyBytes;
    this.#view = this.#job.sourceView = this.#job.targetView = emptyView;
  }

  /** 0, bytes, 2 × bytes, …: the starts of staged rows. */
  rowStarts(bytes: number, count: number): Int32Array {
    if (this.#stepBytes === bytes && this.#steps.length >= count) return this.#steps;
    if (this.#steps.length < count) this.#steps = new Int32Array(Math.max(count, this.#count));
    for (let row = 0; row < this.#steps.length; row++) this.#steps[row] = row * bytes;
    this.#stepBytes = bytes;
    return this.#steps;
  }

  /** Elements of a source in every row; see {@link SourceWidths}. */
  elementsOf(source: number): number {
    if (!this.#hasWidths) {
      this.#widths.workOut((this.#variant as Variant).sources, this.#count);
      this.#hasWidths = true;
    }
    return this.#widths.of(source);
  }

  /** For the widths: elements of a source's value in a row, 0 without one. */
  elementsIn(source: number, row: number): number {
    return this.#find(source, row) ? this.#foundElements() : 0;
  }

  /** The rows cannot all be equally long: only with the original's defaults, which ignore the width of what is missing. */
  isRagged(): boolean {
    if (!this.#plan.spec.compat || this.#plan.isText) return false;
    const sources = this.#variant?.sources ?? [];
    for (let source = 0; source < sources.length; source++) {
      const { first, otherwise } = sources[source] as PlannedSource;
      if (this.#plan.parsesVectors(first) || this.#plan.parsesVectors(otherwise)) return true;
      if (otherwise === null && (first === null || first.elements === this.#compatDefaultElements(source))) continue;
      let elements = -1;
      for (let row = 0; row < this.#count; row++) {
        const here = this.#compatElements(source, row);
        if (elements >= 0 && here !== elements) return true;
        elements = here;
      }
    }
    return false;
  }

  /** Stages a column, every row `elements` wide; returns the rows filled by default. */
  stageColumn(source: number, elements: number): number {
    const width = elements * this.#plan.elementBytes;
    this.#staged.ensure(width * this.#count);
    let defaulted = 0;
    for (let row = 0; row < this.#count; row++) {
      const at = this.#staged.end;
      if (!this.#find(source, row) || !this.#stageNumbers(elements)) {
        this.#staged.end = at;
        this.#staged.bytes.fill(0, at, at + width);
        this.#markDefaulted(row);
        defaulted++;
      }
      this.#staged.end = at + width;
    }
    return defaulted;
  }

  /** Stages whole rows of any length; `offsets` gets rows + 1 positions. Returns the inputs filled by default. */
  stageRows(offsets: Int32Array): number {
    const sources = this.#variant?.sources.length ?? 0;
    let defaulted = 0;
    for (let row = 0; row < this.#count; row++) {
      offsets[row] = this.#staged.end;
      for (let source = 0; source < sources; source++) {
        const done = this.#plan.isText ? this.#stageText(source, row) : this.#stageRagged(source, row);
        if (done) continue;
        this.#markDefaulted(row);
        defaulted++;
      }
    }
    offsets[this.#count] = this.#staged.end;
    return defaulted;
  }

  /** One BYTES element: its length, then the text. */
  #stageText(source: number, row: number): boolean {
    const staged = this.#staged;
    staged.ensure(4);
    const at = staged.end;
    staged.end += 4;
    const compat = this.#plan.spec.compat;
    let done = this.#find(source, row);
    if (done) {
      const type = this.#found?.type ?? DataType.Unknown;
      done = appendText(staged, type, this.#bytes, this.#view, this.#start, this.#length, 'scientific', !compat);
      if (compat && staged.end === at + 4) done = false;
    }
    if (!done) {
      staged.end = at + 4;
      if (compat) this.#appendCompatDefault(source);
    }
    staged.view.setUint32(at, staged.end - at - 4, true);
    return done;
  }

  #appendCompatDefault(source: number): void {
    const repeats = this.#isVectorColumn(source) ? this.#plan.shapeElements : 1;
    this.#staged.ensure(repeats * 3);
    for (let index = 0; index < repeats; index++) {
      this.#staged.bytes[this.#staged.end++] = 48;
      this.#staged.bytes[this.#staged.end++] = 46;
      this.#staged.bytes[this.#staged.end++] = 48;
    }
  }

  #stageRagged(source: number, row: number): boolean {
    if (this.#find(source, row)) {
      const elements = this.#foundElements();
      const at = this.#staged.end;
      if (elements > 0 && this.#stageNumbers(elements)) return true;
      this.#staged.end = at;
    }
    const width = this.#compatDefaultElements(source) * this.#plan.elementBytes;
    this.#staged.ensure(width);
    this.#staged.bytes.fill(0, this.#staged.end, this.#staged.end + width);
    this.#staged.end += width;
    return false;
  }

  /** Appends the found cell as exactly `elements` elements; false when it has another number of them or does not convert. */
  #stageNumbers(elements: number): boolean {
    const found = this.#found as Alternative;
    const staged = this.#staged;
    const width = elements * this.#plan.elementBytes;
    if (found.parseType !== null) {
      const at = staged.end;
      return appendParsed(staged, found.parseType, this.#bytes, this.#start, this.#start + this.#length) && staged.end - at === width;
    }
    if (!found.isCopy && found.convert === null) return false;
    if (this.#foundElements() !== elements) return false;
    staged.ensure(width);
    const job = this.#job;
    this.#one[0] = this.#start;
    this.#oneLength[0] = this.#length;
    job.source = this.#bytes;
    job.sourceView = this.#view;
    job.starts = this.#one;
    job.lengths = this.#oneLength;
    job.from = 0;
    job.to = 1;
    job.elements = elements;
    job.target = staged.bytes;
    job.targetView = staged.view;
    job.targetAt = staged.end;
    if (found.isCopy) copyRows(job, width);
    else if (found.convert !== null && found.convert(job) > 0) return false;
    staged.end += width;
    return true;
  }

  /** Looks for the source's value in a row; empty text counts as none where another column may have it. */
  #find(source: number, row: number): boolean {
    const { first, otherwise } = this.#source(source);
    this.#isAbsent = true;
    if (first !== null && this.#look(first, row) && (otherwise === null || this.#length > 0)) return true;
    return otherwise !== null && this.#look(otherwise, row);
  }

  #look(alternative: Alternative, row: number): boolean {
    const block = this.#blocks[alternative.block];
    if (block === null || block === undefined) {
      this.#isAbsent = false;
      return false;
    }
    const rowAt = (this.#starts[alternative.block] as Int32Array)[row] as number;
    const blockRow = rowAt / block.shape.stride;
    const memory = block.memory;
    const status = memory.bytes[block.statusAt + blockRow * block.shape.slots.length + alternative.slot] as number;
    if (status >= CellStatus.missing) {
      if (status !== CellStatus.missing && status !== CellStatus.null) this.#isAbsent = false;
      return false;
    }
    // From here on a default stands for a value that could not be used.
    this.#isAbsent = false;
    this.#found = alternative;
    const at = rowAt + alternative.offset;
    if (alternative.isVariable) {
      this.#start = memory.view.getUint32(at, true);
      this.#length = memory.view.getUint32(at + 4, true);
      this.#bytes = block.heap;
      this.#view = block.heapView;
    } else {
      this.#start = at;
      this.#length = block.shape.widths[alternative.slot] as number;
      this.#bytes = memory.bytes;
      this.#view = memory.view;
    }
    return true;
  }

  /** Elements of the found cell; 0 when its length does not fit its type. */
  #foundElements(): number {
    const found = this.#found as Alternative;
    if (found.parseType !== null) return found.parseType === this.#plan.to ? 1 : this.#countParsed();
    if (found.elementBytes === 0) return 1;
    if (found.isVector) return this.#length % found.elementBytes === 0 ? this.#length / found.elementBytes : 0;
    return this.#length === found.elementBytes ? 1 : 0;
  }

  #countParsed(): number {
    if (this.#length === 0) return 0;
    let count = 1;
    for (let at = this.#start; at < this.#start + this.#length; at++) if (this.#bytes[at] === 58) count++;
    return count;
  }

  #compatElements(source: number, row: number): number {
    if (!this.#find(source, row)) return this.#compatDefaultElements(source);
    const found = this.#found as Alternative;
    if (found.parseType === null && !found.isCopy && found.convert === null) return this.#compatDefaultElements(source);
    const elements = this.#foundElements();
    return elements > 0 ? elements : this.#compatDefaultElements(source);
  }

  /** The original repeats the default over the shape only for vector columns. */
  #compatDefaultElements(source: number): number {
    return this.#isVectorColumn(source) ? this.#plan.shapeElements : 1;
  }

  #isVectorColumn(source: number): boolean {
    const first = this.#source(source).first;
    return first?.isVector === true && first.type !== DataType.Unknown;
  }

  #source(source: number): PlannedSource {
    return this.#variant?.sources[source] as PlannedSource;
  }

  #markDefaulted(row: number): void {
    const mark = this.#isAbsent ? DefaultedRow.absent : DefaultedRow.lost;
    if ((this.#defaultedRows[row] as number) < mark) this.#defaultedRows[row] = mark;
  }
}

const emptyBytes = new Uint8Array(0);
const emptyView = new DataView(emptyBytes.buffer);
