import {
  type Block,
  bytesToText,
  CellStatus,
  convertBytes,
  DataType,
  dataTypeInfo,
  decodeValue,
  type Matrix,
  textToBytes,
} from '@inferflow/matrix';
import { CellMode, type CellProgram } from './cell-program.js';
import { compactJsonArray, jsonTexts } from './json-array.js';

const nothing = new Uint8Array(0);
const decoder = new TextDecoder();
const encoder = new TextEncoder();
const noBlocks: readonly (Block | null)[] = [];

/**
 * The cells of one request as its log wants them. Reused: `open`, read, `close`. `load` points `bytes`, `start`, `length` at the
 * value of a cell, valid until the next call.
 */
export class LogRows {
  rowCount = 0;
  bytes: Uint8Array = nothing;
  start = 0;
  length = 0;
  /** The loaded cell holds a default that a component put there. */
  isDefaulted = false;
  /** Cells since `open` that had a value which the log type cannot hold. */
  unfit = 0;
  blocks: readonly (Block | null)[] = noBlocks;
  #program: CellProgram | null = null;

  open(program: CellProgram, matrix: Matrix): void {
    this.#program = program;
    this.blocks = matrix.blocks;
    this.rowCount = matrix.rowCount;
    this.unfit = 0;
  }

  close(): void {
    this.#program = null;
    this.blocks = noBlocks;
    this.bytes = nothing;
  }

  /** Finds the value of a feature in a row; false = it has none, or an empty one. */
  load(feature: number, row: number): boolean {
    const program = this.#program as CellProgram;
    const block = this.blocks[program.firstBlock[feature] as number];
    if (block && this.#find(block, program.firstSlot[feature] as number, row)) {
      if (this.#fit(feature, program.firstMode[feature] as CellMode, program.firstType[feature] as DataType)) return true;
    }
    const otherwise = program.otherBlock[feature] as number;
    if (otherwise < 0) return false;
    const other = this.blocks[otherwise];
    if (!other || !this.#find(other, program.otherSlot[feature] as number, row)) return false;
    return this.#fit(feature, program.otherMode[feature] as CellMode, program.otherType[feature] as DataType);
  }

  #find(block: Block, slot: number, row: number): boolean {
    const blockRow = block.blockRowOf(row);
    if (blockRow < 0) return false;
    const status = block.status(blockRow, slot);
    if (status >= 8) return false;
    this.length = block.cellLength(blockRow, slot);
    if (this.length === 0) return false;
    this.start = block.cellStart(blockRow, slot);
    this.bytes = block.cellSource(slot);
    this.isDefaulted = status === CellStatus.defaulted;
    return true;
  }

  #fit(feature: number, mode: CellMode, cellType: DataType): boolean {
    const { type } = (this.#program as CellProgram).features[feature] as CellProgram['features'][number];
    if (mode === CellMode.copy) {
      if (type.width <= 0 || this.length === type.width) return true;
      // Two bytes were asked, four came: a float in the wrong width.
      if (type.dataType === DataType.FP16 && this.length === 4)
        return this.#take(convertBytes(DataType.FP32, DataType.FP16, this.#cell(), false));
      this.unfit++;
      return false;
    }
    return this.#take(this.#changed(mode, cellType, type.dataType));
  }

  #changed(mode: CellMode, cellType: DataType, logType: DataType): Uint8Array | null {
    switch (mode) {
      case CellMode.parse:
        return parseScalar(logType, decoder.decode(this.#cell()));
      case CellMode.parseVector:
        return compactJsonArray(this.bytes, this.start, this.start + this.length) ?? this.#parsedElements(logType);
      case CellMode.convert:
        return convertBytes(cellType, logType, this.#cell(), false);
      case CellMode.text: {
        const text = bytesToText(cellType, this.#cell(), 'key');
        return text === null ? null : encoder.encode(text);
      }
      case CellMode.texts: {
        const texts = decodeValue(cellType, this.#cell());
        return Array.isArray(texts) ? jsonTexts(texts as readonly string[]) : null;
      }
      case CellMode.prefixed: {
        if (this.length > 0xfffd) return null;
        const prefixed = new Uint8Array(this.length + 2);
        prefixed[0] = this.length & 0xff;
        prefixed[1] = this.length >>> 8;
        prefixed.set(this.#cell(), 2);
        return prefixed;
      }
      default:
        return null;
    }
  }

  #parsedElements(logType: DataType): Uint8Array | null {
    return dataTypeInfo(logType).isText ? null : textToBytes(logType, decoder.decode(this.#cell()));
  }

  #cell(): Uint8Array {
    return this.bytes.subarray(this.start, this.start + this.length);
  }

  #take(value: Uint8Array | null): boolean {
    if (value === null) {
      this.unfit++;
      return false;
    }
    this.bytes = value;
    this.start = 0;
    this.length = value.length;
    return value.length > 0;
  }
}

const trueTexts = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const falseTexts = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

function parseScalar(type: DataType, text: string): Uint8Array | null {
  if (type !== DataType.Bool) return textToBytes(type, text);
  if (trueTexts.has(text)) return Uint8Array.of(1);
  return falseTexts.has(text) ? Uint8Array.of(0) : null;
}
