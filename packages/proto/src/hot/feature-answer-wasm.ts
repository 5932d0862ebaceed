import type { WalkScratch } from './feature-answer.js';
import { walkModule } from './walk.gen.js';
import type { WalkSpec } from './walk-spec.js';

/** The walk was not done: the one in TypeScript decides. */
export const UNSURE = -1;

/*
 * Memory of the module, in this order; each part begins at a multiple of 16 and grows by doubling:
 *
 *   parameters (80 bytes) | columns | absent | status | keys | odd cells | rows | message, and 16 bytes behind it
 *
 * The message is copied in (16 kB: 0.2 µs); everything else is read where it is until the next walk.
 */
const PARAMETER_BYTES = 80;
const MOST_ODD_CELLS = 256;
const PAGE = 65_536;
/** Answers that would need more are walked in TypeScript: this memory never gets smaller. */
const MOST_BYTES = 32 << 20;

interface WalkMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WalkExports {
  readonly memory: WalkMemory;
  readonly walk: () => number;
}

/** What is used of `WebAssembly`, whose types come with those of browsers only. */
interface WasmPlatform {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** The walk over rows in WebAssembly: for answers as encoders write them, at a few nanoseconds a cell whatever the widths and gaps. */
export class WasmWalk {
  readonly #memory: WalkMemory;
  readonly #walk: () => number;
  #spec: WalkSpec | null = null;
  /** Room for words of columns and absent slots, cells, rows, bytes of rows. */
  #columnWords = 0;
  #absentWords = 0;
  #cells = 0;
  #rowCount = 0;
  #rowBytes = 0;
  #messageAt = 0;
  #parameters = new Int32Array(0);
  #table = new Int32Array(0);
  #absent = new Int32Array(0);
  #status = new Uint8Array(0);
  #keys = new Int32Array(0);
  #oddCells = new Int32Array(0);
  #rows = new Uint8Array(0);
  #words = new Int32Array(0);
  #view = new DataView(new ArrayBuffer(0));
  #bytes = new Uint8Array(0);

  private constructor({ memory, walk }: WalkExports) {
    this.#memory = memory;
    this.#walk = walk;
  }

  /** Compiles the module; null where the platform has no WebAssembly with SIMD. */
  static create(): WasmWalk | null {
    try {
      const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: WasmPlatform }).WebAssembly;
      return new WasmWalk(
        new Instance(new Module(Uint8Array.from(atob(walkModule), (letter) => letter.charCodeAt(0)))).exports as WalkExports,
      );
    } catch {
      return null;
    }
  }

  /**
   * As `walkFeatureRows`: leaves what it decoded in `scratch`. {@link UNSURE} for everything out of the ordinary, malformed or not:
   * nothing in `scratch` counts then.
   */
  walk(message: Uint8Array, start: number, end: number, spec: WalkSpec, rowLimit: number, scratch: WalkScratch): number {
    const { table } = spec;
    if (table === null || !this.#reserve(spec, rowLimit, end - start)) return UNSURE;
    if (this.#spec !== spec) {
      this.#table.set(table.columns);
      this.#absent.set(table.absent);
      this.#spec = spec;
    }
    this.#bytes.set(start === 0 && end === message.length ? message : message.subarray(start, end), this.#messageAt);
    const parameters = this.#parameters;
    parameters[0] = this.#messageAt;
    parameters[1] = this.#messageAt + end - start;
    parameters[3] = spec.columnCount;
    parameters[5] = table.absent.length / 3;
    parameters[7] = spec.stride;
    parameters[9] = spec.slotCount;
    parameters[13] = rowLimit;
    parameters[14] = start - this.#messageAt;
    parameters[15] = spec.statuses.present;
    parameters[16] = spec.statuses.missing;
    parameters[17] = spec.statuses.failed;
    const rows = this.#walk();
    if (rows === UNSURE) return UNSURE;
    scratch.rows = this.#rows;
    scratch.words = this.#words;
    scratch.view = this.#view;
    scratch.status = this.#status;
    scratch.keys = this.#keys;
    scratch.oddCells = this.#oddCells;
    scratch.oddCount = parameters[19] as number;
    scratch.withoutValue = parameters[18] as number;
    scratch.hasLateHead = false;
    return rows;
  }

  /** Makes room; false when that would be more than this memory may be, or there is no more. */
  #reserve(spec: WalkSpec, rowLimit: number, messageBytes: number): boolean {
    const { columns, absent } = spec.table as NonNullable<WalkSpec['table']>;
    const cells = rowLimit * spec.slotCount;
    const rowBytes = rowLimit * spec.stride;
    const isRoomy =
      columns.length <= this.#columnWords &&
      absent.length <= this.#absentWords &&
      cells <= this.#cells &&
      rowLimit <= this.#rowCount &&
      rowBytes <= this.#rowBytes;
    if (isRoomy && this.#messageAt + messageBytes + 16 <= this.#bytes.length) return true;
    const columnWords = grown(this.#columnWords, columns.length);
    const absentWords = grown(this.#absentWords, absent.length);
    const cellRoom = grown(this.#cells, cells);
    const rowRoom = grown(this.#rowCount, rowLimit);
    const byteRoom = grown(this.#rowBytes, rowBytes);
    const columnsAt = PARAMETER_BYTES;
    const absentAt = columnsAt + columnWords * 4;
    const statusAt = absentAt + absentWords * 4;
    const keysAt = statusAt + cellRoom;
    const oddAt = keysAt + rowRoom * 8;
    const rowsAt = oddAt + MOST_ODD_CELLS * 16;
    const messageAt = rowsAt + byteRoom;
    const needed = messageAt + messageBytes + 16;
    if (needed > MOST_BYTES) return false;
    const missing = Math.ceil((needed - this.#memory.buffer.byteLength) / PAGE);
    if (missing > 0 && !this.#grow(missing)) return false;
    const { buffer } = this.#memory;
    this.#columnWords = columnWords;
    this.#absentWords = absentWords;
    this.#cells = cellRoom;
    this.#rowCount = rowRoom;
    this.#rowBytes = byteRoom;
    this.#messageAt = messageAt;
    this.#parameters = new Int32Array(buffer, 0, PARAMETER_BYTES / 4);
    this.#table = new Int32Array(buffer, columnsAt, columnWords);
    this.#absent = new Int32Array(buffer, absentAt, absentWords);
    this.#status = new Uint8Array(buffer, statusAt, cellRoom);
    this.#keys = new Int32Array(buffer, keysAt, rowRoom * 2);
    this.#oddCells = new Int32Array(buffer, oddAt, MOST_ODD_CELLS * 4);
    this.#rows = new Uint8Array(buffer, rowsAt, byteRoom);
    this.#words = new Int32Array(buffer, rowsAt, byteRoom / 4);
    this.#view = new DataView(buffer, rowsAt, byteRoom);
    this.#bytes = new Uint8Array(buffer);
    this.#spec = null;
    const parameters = this.#parameters;
    parameters[2] = columnsAt;
    parameters[4] = absentAt;
    parameters[6] = rowsAt;
    parameters[8] = statusAt;
    parameters[10] = keysAt;
    parameters[11] = oddAt;
    parameters[12] = MOST_ODD_CELLS;
    return true;
  }

  #grow(pages: number): boolean {
    try {
      this.#memory.grow(pages);
      return true;
    } catch {
      // A process short of memory: the walk in TypeScript needs less, or says so.
      return false;
    }
  }
}

/** A multiple of 16, and not a little more each time. */
function grown(room: number, needed: number): number {
  return needed <= room ? room : Math.max(256, 2 ** Math.ceil(Math.log2(needed)));
}
