import type { BlockShape } from '../block-shape.js';
import { resolveBrainFloat } from '../convert/brain-float.js';
import type { ConvertColumn } from '../convert/convert-job.js';
import { resolveConversion } from '../convert/resolve-conversion.js';
import { DataType, dataTypeInfo, parseDataType, v2ElementBytes } from '../data-type.js';
import { MatrixError } from '../errors.js';
import { type ColumnRef, isSlateRef, type Layout, refBlock, refSlot, type Source } from '../layout.js';

/** One model input: which columns, in which order, as which type. */
export interface GatherSpec {
  /** One per feature, in tensor order; null = a column that nobody writes: always the default. */
  readonly sources: readonly (Source | null)[];
  /** Layout of the target matrix. */
  readonly layout: Layout;
  /** Layout of the slate matrix, when sources refer to it (`slateRef`). */
  readonly slateLayout?: Layout | null;
  /** The model server's datatype: `FP32`, `INT64`, `BYTES`, `BF16`, … */
  readonly v2Type: string;
  /** Dimensions of one row; −1 = worked out from the data. */
  readonly shape: readonly number[];
  /** Results of the original where they are defects that scores may depend on. */
  readonly compat: boolean;
  /**
   * Per source: its String column is text given in the request, parsed by the grammar of the input's own type. With two columns that is
   * `otherwise`. A String column that was fetched is read as a number and converted instead.
   */
  readonly texts?: readonly boolean[];
}

/** One place where a source's value may be, for one tuple of block shapes. */
export interface Alternative {
  /** Index in {@link GatherPlan.blocks}. */
  readonly block: number;
  readonly slot: number;
  readonly type: DataType;
  readonly isVariable: boolean;
  readonly isVector: boolean;
  /** Position within the row. */
  readonly offset: number;
  /** Bytes of one element; 0 for text. */
  readonly elementBytes: number;
  /** Elements of a fixed cell; 0 when only the cell knows. */
  readonly elements: number;
  /** The type that a request text is parsed as; null for all other columns. */
  readonly parseType: DataType | null;
  /** Null when the types have no conversion: then the default is used. */
  readonly convert: ConvertColumn | null;
  /** Cells are taken byte by byte. */
  readonly isCopy: boolean;
}

/** A source, for one tuple of block shapes. */
export interface PlannedSource {
  readonly first: Alternative | null;
  readonly otherwise: Alternative | null;
  /** Its typed values become another type. Texts of a request are parsed, which is none. */
  readonly isConverted: boolean;
}

/** One piece of a tensor row. `run`: adjacent fixed cells of one block, read in place. `stage`: worked out cell by cell beforehand. */
export interface Step {
  readonly kind: 'run' | 'stage';
  readonly source: number;
  /** Sources that a run covers. */
  readonly sources: number;
  readonly block: number;
  readonly offset: number;
  readonly elements: number;
  readonly sourceBytes: number;
  readonly firstSlot: number;
  readonly convert: ConvertColumn | null;
  readonly isCopy: boolean;
}

/** A plan for one tuple of block shapes. */
export interface Variant {
  readonly shapes: readonly (BlockShape | null)[];
  readonly sources: readonly PlannedSource[];
  readonly steps: readonly Step[];
  /** Some source has as many elements as its values have. */
  readonly hasVectors: boolean;
}

const maxVariants = 16;

/** What is fixed about a model input; shared by all programs made from it. */
export class GatherPlan {
  readonly spec: GatherSpec;
  /** The model input's type; null for a name that only the model server knows (`BF16`): rounded from FP32. */
  readonly to: DataType | null;
  readonly isText: boolean;
  /** Bytes of one element of the input; 0 for BYTES. */
  readonly elementBytes: number;
  /** Product of the dimensions above 0. */
  readonly shapeElements: number;
  readonly hasOpenDimension: boolean;
  /** Rows of numbers that have exactly as many elements as the shape says. */
  readonly isClosed: boolean;
  /** Blocks that sources refer to: index in their matrix, and which matrix. */
  readonly blocks: readonly { readonly block: number; readonly isSlate: boolean }[];
  readonly #variants: Variant[] = [];
  /** Per source, how many elements its vectors had in a run whose rows filled the shape; 0 = not known. */
  readonly #learned: Int32Array;

  constructor(spec: GatherSpec) {
    const width = v2ElementBytes(spec.v2Type);
    if (width < 0)
      throw new MatrixError(
        'INFERFLOW_MATRIX_TYPE_MISMATCH',
        `a model input cannot be of type "${spec.v2Type}"; expected one of FP16, FP32, FP64, BF16, INT8 … UINT64, BOOL, BYTES`,
      );
    this.spec = spec;
    this.isText = width === 0;
    this.elementBytes = width;
    this.to = parseDataType(spec.v2Type) ?? null;
    this.shapeElements = spec.shape.reduce((product, dimension) => (dimension > 0 ? product * dimension : product), 1);
    this.hasOpenDimension = spec.shape.some((dimension) => dimension < 0);
    this.isClosed = !this.isText && !this.hasOpenDimension && !spec.compat;
    this.blocks = blocksOf(spec.sources);
    this.#learned = new Int32Array(spec.sources.length);
  }

  /** Whether texts of the request become several elements each. */
  parsesVectors(alternative: Alternative | null): boolean {
    return alternative !== null && alternative.parseType !== null && alternative.parseType !== this.to;
  }

  /** Keeps the widths of these sources for runs that have no values to tell them. */
  learnWidths(sources: readonly number[], widths: Int32Array): void {
    for (const source of sources) this.#learned[source] = widths[source] as number;
  }

  /** Gives these sources the widths that were learned, if all were and their sum is right. */
  recallWidths(sources: readonly number[], sum: number, widths: Int32Array): boolean {
    let learned = 0;
    for (const source of sources) {
      if (this.#learned[source] === 0) return false;
      learned += this.#learned[source] as number;
    }
    if (learned !== sum) return false;
    for (const source of sources) widths[source] = this.#learned[source] as number;
    return true;
  }

  /** The declared shapes, or those of other layouts of the same columns: for `describe` before any request. */
  declared(layout: Layout = this.spec.layout, slateLayout: Layout | null = this.spec.slateLayout ?? null): Variant {
    return this.variant(this.blocks.map(({ block, isSlate }) => (isSlate ? slateLayout : layout)?.shapes[block] ?? null));
  }

  /** The steps for these shapes, compiled on first use. */
  variant(shapes: readonly (BlockShape | null)[]): Variant {
    const known = this.#variants.find((variant) => variant.shapes.every((shape, index) => shape === shapes[index]));
    if (known !== undefined) return known;
    const compiled = this.#compile([...shapes]);
    if (this.#variants.push(compiled) > maxVariants) this.#variants.shift();
    return compiled;
  }

  #compile(shapes: readonly (BlockShape | null)[]): Variant {
    const sources = this.spec.sources.map((source, index): PlannedSource => {
      if (source === null) return { first: null, otherwise: null, isConverted: false };
      const isText = this.spec.texts?.[index] === true;
      const first = this.#alternative(source.first, shapes, isText && source.otherwise < 0);
      const otherwise = this.#alternative(source.otherwise, shapes, isText);
      const main = first ?? otherwise;
      const isConverted = main !== null && main.parseType === null && (this.isText ? main.type !== DataType.String : !main.isCopy);
      return { first: main, otherwise: first === null ? null : otherwise, isConverted };
    });
    const steps: Step[] = [];
    sources.forEach((source, index) => {
      const step = this.#step(source, index);
      const last = steps[steps.length - 1];
      const merged = last === undefined ? null : mergeSteps(last, step);
      if (merged === null) steps.push(step);
      else steps[steps.length - 1] = merged;
    });
    const hasVectors = sources.some(({ first, otherwise }) => first?.isVector === true || otherwise?.isVector === true);
    return { shapes, sources, steps, hasVectors };
  }

  #alternative(ref: ColumnRef, shapes: readonly (BlockShape | null)[], isRequestText: boolean): Alternative | null {
    if (ref < 0) return null;
    const block = this.blocks.findIndex((entry) => entry.block === refBlock(ref) && entry.isSlate === isSlateRef(ref));
    const shape = shapes[block] ?? null;
    const slot = refSlot(ref);
    const entry = shape?.slots[slot];
    if (shape === null || entry === undefined) return null;
    const info = dataTypeInfo(entry.type);
    const width = shape.widths[slot] as number;
    const elementBytes = info.family === 'unknown' && this.to === null ? this.elementBytes : info.elementBytes;
    const parsesText = isRequestText && entry.type === DataType.String && this.to !== null && !this.isText;
    const isVectorInput = (this.spec.shape[0] ?? 0) > 1 && this.spec.sources.length === 1;
    const isCopy = this.to === null ? info.family === 'unknown' : info.elementType === this.to && !this.isText;
    return {
      block,
      slot,
      type: entry.type,
      isVariable: entry.isVariable,
      isVector: info.isVector || (info.family === 'unknown' && this.to === null),
      offset: shape.offsets[slot] as number,
      elementBytes,
      elements: entry.isVariable || elementBytes === 0 ? 0 : Math.floor(width / elementBytes),
      parseType: parsesText && this.to !== null ? (isVectorInput ? dataTypeInfo(this.to).vectorType : this.to) : null,
      convert: this.#conversionOf(entry.type),
      isCopy,
    };
  }

  #conversionOf(from: DataType): ConvertColumn | null {
    if (this.isText || from === DataType.StringVector) return null;
    return this.to === null ? resolveBrainFloat(from) : resolveConversion(from, this.to, this.spec.compat);
  }

  #step(source: PlannedSource, index: number): Step {
    const first = source.first;
    const inPlace =
      first !== null &&
      source.otherwise === null &&
      !this.isText &&
      !first.isVariable &&
      first.elements > 0 &&
      (first.isCopy || first.convert !== null);
    return {
      kind: inPlace ? 'run' : 'stage',
      source: index,
      sources: 1,
      block: first?.block ?? -1,
      offset: first?.offset ?? 0,
      elements: inPlace ? first.elements : 0,
      sourceBytes: inPlace ? first.elements * first.elementBytes : 0,
      firstSlot: first?.slot ?? 0,
      convert: first?.convert ?? null,
      isCopy: first?.isCopy ?? false,
    };
  }
}

function blocksOf(sources: readonly (Source | null)[]): readonly { readonly block: number; readonly isSlate: boolean }[] {
  const blocks: { block: number; isSlate: boolean }[] = [];
  for (const source of sources) {
    for (const ref of source === null ? [] : [source.first, source.otherwise]) {
      if (ref < 0) continue;
      const block = refBlock(ref);
      const isSlate = isSlateRef(ref);
      if (!blocks.some((entry) => entry.block === block && entry.isSlate === isSlate)) blocks.push({ block, isSlate });
    }
  }
  return blocks;
}

/** Adjacent cells with the same conversion are one run. */
function mergeSteps(left: Step, right: Step): Step | null {
  const adjacent =
    left.kind === 'run' &&
    right.kind === 'run' &&
    left.block === right.block &&
    left.offset + left.sourceBytes === right.offset &&
    left.firstSlot + left.sources === right.firstSlot &&
    left.convert === right.convert &&
    left.isCopy === right.isCopy;
  if (!adjacent) return null;
  return {
    ...left,
    sources: left.sources + 1,
    elements: left.elements + right.elements,
    sourceBytes: left.sourceBytes + right.sourceBytes,
  };
}
