import { type ColumnRef, DataType, type Layout, refBlock, refSlot, type Source } from '@inferflow/matrix';
import type { LogFeature } from '../schema/log-schema.js';
import type { LogType } from '../schema/log-type.js';

/** How a cell becomes the bytes that its log type wants. */
export const CellMode = {
  /** There is no such column. */
  none: 0,
  /** The cell's own bytes; a scalar of another width does not fit. */
  copy: 1,
  /** A text is parsed. */
  parse: 2,
  /** A vector given as text: a JSON array stays one, elements with `:` between them become values. */
  parseVector: 3,
  /** A value of another numeric type. */
  convert: 4,
  /** A number is logged as text. */
  text: 5,
  /** Texts of a feature store vector become a JSON array. */
  texts: 6,
  /** Content behind a second length. */
  prefixed: 7,
} as const;

/** One of {@link CellMode}. */
export type CellMode = (typeof CellMode)[keyof typeof CellMode];

/** Where the cells of each schema feature are in the requests of one layout, and what happens to them. Immutable. */
export class CellProgram {
  readonly features: readonly LogFeature[];
  readonly isCompat: boolean;
  readonly firstBlock: Int32Array;
  readonly firstSlot: Int32Array;
  readonly firstMode: Uint8Array;
  readonly firstType: Uint8Array;
  readonly otherBlock: Int32Array;
  readonly otherSlot: Int32Array;
  readonly otherMode: Uint8Array;
  readonly otherType: Uint8Array;

  constructor(features: readonly LogFeature[], sourceOf: (name: string) => Source | null, layout: Layout, isCompat: boolean) {
    const count = features.length;
    this.features = features;
    this.isCompat = isCompat;
    this.firstBlock = new Int32Array(count).fill(-1);
    this.firstSlot = new Int32Array(count);
    this.firstMode = new Uint8Array(count);
    this.firstType = new Uint8Array(count);
    this.otherBlock = new Int32Array(count).fill(-1);
    this.otherSlot = new Int32Array(count);
    this.otherMode = new Uint8Array(count);
    this.otherType = new Uint8Array(count);
    features.forEach(({ name, type }, index) => {
      const source = sourceOf(name);
      if (source === null) return;
      const first = slotType(layout, source.first);
      this.firstBlock[index] = refBlock(source.first);
      this.firstSlot[index] = Math.max(refSlot(source.first), 0);
      this.firstType[index] = first;
      this.firstMode[index] = modeOf(first, type, isCompat);
      const other = slotType(layout, source.otherwise);
      this.otherBlock[index] = refBlock(source.otherwise);
      this.otherSlot[index] = Math.max(refSlot(source.otherwise), 0);
      this.otherType[index] = other;
      this.otherMode[index] = modeOf(other, type, isCompat);
    });
  }
}

function slotType(layout: Layout, ref: ColumnRef): DataType {
  return layout.shapes[refBlock(ref)]?.slots[refSlot(ref)]?.type ?? DataType.Unknown;
}

function modeOf(cell: DataType, log: LogType, isCompat: boolean): CellMode {
  if (log.isBytes) return CellMode.prefixed;
  if (log.dataType === DataType.StringVector) {
    if (cell === DataType.String) return CellMode.parseVector;
    return cell === DataType.StringVector && !isCompat ? CellMode.texts : CellMode.copy;
  }
  if (cell === log.dataType || cell === DataType.Unknown || log.width < 0) return CellMode.copy;
  if (cell === DataType.String) return log.isVector ? CellMode.parseVector : CellMode.parse;
  if (log.isText) return CellMode.text;
  return CellMode.convert;
}
