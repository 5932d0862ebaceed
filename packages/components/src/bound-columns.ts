import {
  type Block,
  BoundColumnReader,
  ColumnWriter,
  type GatherProgram,
  IdentityTable,
  isSlateRef,
  type Matrix,
  type RowSet,
  type Slate,
  type Source,
  type TextColumn,
} from '@inferflow/matrix';
import { type ComponentBinding, noSource, type ResolvedRead } from './component-binding.js';
import type { ComponentRun } from './component-run.js';
import { ComponentError } from './errors.js';
import type { FailedCells } from './failed-cells.js';
import type { KeySet } from './key-set.js';
import type { RowFaultList } from './row-faults.js';
import type { TensorInput } from './tensor-input.js';
import type { ColumnsWriter } from './writes.js';

/** The flyweights behind `run.reads` and `run.writes`: made once per pooled run, pointed at a request's matrices by `bind`. */
export class BoundColumns {
  readonly reads: ComponentRun['reads'];
  readonly writes: ComponentRun['writes'];
  readonly #readers: BoundReader[] = [];
  readonly #tensors: BoundTensor[] = [];
  readonly #keys: BoundKeys[] = [];
  readonly #writers: BoundWriter[] = [];
  readonly #groups: BoundColumnsWriter[] = [];

  constructor(binding: ComponentBinding, faults: RowFaultList, failedCells: FailedCells) {
    const reads: Record<string, unknown> = new Named();
    for (const read of binding.reads) reads[read.name] = this.#makeRead(binding, read, faults);
    const writes: Record<string, unknown> = new Named();
    let declared = 0;
    for (const [name, write] of Object.entries(binding.component.writes)) {
      const slots = Int32Array.from(write.columns, (_, index) => binding.write.slotOf[declared + index] as number);
      declared += write.columns.length;
      const writers = Array.from(slots, () => new ColumnWriter(undefined, undefined, failedCells));
      if (write.kind === 'column') {
        writes[name] = writers[0];
        this.#writers.push({ writer: writers[0] as ColumnWriter, slot: slots[0] as number });
      } else {
        const group = new BoundColumnsWriter(writers, slots);
        this.#groups.push(group);
        writes[name] = group;
      }
    }
    // The declarations that these objects follow are what ComponentRun's types are computed from.
    this.reads = Object.freeze(reads) as ComponentRun['reads'];
    this.writes = Object.freeze(writes) as ComponentRun['writes'];
  }

  bind(matrix: Matrix, slate: Slate | null, rows: RowSet): void {
    for (let index = 0; index < this.#readers.length; index++) {
      const { reader, source } = this.#readers[index] as BoundReader;
      if (isSlateRef(source.first) && slate !== null) reader.bind(slate.matrix, source, rows.slateOf, rows.count);
      else reader.bind(matrix, source, rows.rows, rows.count);
    }
    for (let index = 0; index < this.#tensors.length; index++) this.#tensors[index]?.bind(matrix, slate?.matrix ?? null, rows);
    for (let index = 0; index < this.#keys.length; index++) this.#keys[index]?.bind(matrix, rows);
  }

  bindWrites(block: Block): void {
    for (let index = 0; index < this.#writers.length; index++) {
      const { writer, slot } = this.#writers[index] as BoundWriter;
      writer.bind(block, slot);
    }
    for (let index = 0; index < this.#groups.length; index++) this.#groups[index]?.bind(block);
  }

  /** Whoever still holds a flyweight gets an error instead of another request's cells. */
  unbind(): void {
    for (let index = 0; index < this.#readers.length; index++) this.#readers[index]?.reader.unbind();
    for (let index = 0; index < this.#tensors.length; index++) this.#tensors[index]?.unbind();
    for (let index = 0; index < this.#keys.length; index++) this.#keys[index]?.unbind();
    for (let index = 0; index < this.#writers.length; index++) this.#writers[index]?.writer.unbind();
    for (let index = 0; index < this.#groups.length; index++) this.#groups[index]?.unbind();
  }

  #makeRead(binding: ComponentBinding, read: ResolvedRead, faults: RowFaultList): unknown {
    switch (read.spec.kind) {
      case 'column':
        return this.#makeReader(read.sources[0] ?? noSource);
      case 'columns':
        return Object.freeze(read.sources.map((source) => this.#makeReader(source ?? noSource)));
      case 'tensor': {
        const tensor = new BoundTensor((read.program as GatherProgram).fork(), faults);
        this.#tensors.push(tensor);
        return tensor;
      }
      case 'keys': {
        const keys = new BoundKeys(
          read.sources.map((source) => source ?? noSource),
          binding.compat,
        );
        this.#keys.push(keys);
        return keys;
      }
    }
  }

  #makeReader(source: Source): BoundColumnReader {
    const reader = new BoundColumnReader();
    this.#readers.push({ reader, source });
    return reader;
  }
}

/**
 * What a component reads or writes, by the names it gave, and nothing else: the prototype is empty, so no name finds what nobody declared.
 * `Object.create(null)` makes hash tables, which `freeze` gives a shape of their own in every run: no read of one is ever fast. What a
 * constructor makes is of one shape in all runs, up to sixteen names or so. Only a function can have such a prototype, and only a cast
 * makes a function a constructor.
 */
const Named = function Named() {} as unknown as new () => Record<string, unknown>;
Named.prototype = Object.freeze(Object.create(null));

interface BoundReader {
  readonly reader: BoundColumnReader;
  readonly source: Source;
}

interface BoundWriter {
  readonly writer: ColumnWriter;
  readonly slot: number;
}

class BoundTensor implements TensorInput {
  readonly #program: GatherProgram;
  readonly #faults: RowFaultList;
  #matrix: Matrix | null = null;
  #slate: Matrix | null = null;
  #rows: RowSet | null = null;

  constructor(program: GatherProgram, faults: RowFaultList) {
    this.#program = program;
    this.#faults = faults;
  }

  get description(): string {
    return this.#program.describe();
  }

  get conversions(): number {
    return this.#program.conversions;
  }

  get misfits(): boolean {
    return this.#program.misfits;
  }

  bind(matrix: Matrix, slate: Matrix | null, rows: RowSet): void {
    this.#matrix = matrix;
    this.#slate = slate;
    this.#rows = rows;
  }

  unbind(): void {
    this.#matrix = null;
    this.#slate = null;
    this.#rows = null;
    this.#program.clear();
  }

  prepare(): number {
    const rows = this.#rows ?? ended();
    const defaulted = this.#program.prepare(this.#matrix ?? ended(), this.#slate, rows);
    if (defaulted > 0) this.#faults.addDefaulted(this.#program.defaultedRows, rows.count, defaulted);
    return defaulted;
  }

  byteLength(from: number, to: number): number {
    return this.#program.byteLength(this.#matrix ?? ended(), this.#slate, this.#rows ?? ended(), from, to);
  }

  write(target: Uint8Array, at: number, from: number, to: number): void {
    this.#program.write(this.#matrix ?? ended(), this.#slate, this.#rows ?? ended(), from, to, target, at);
  }

  elementsPerRow(): number {
    return this.#program.elementsPerRow();
  }
}

class BoundKeys implements KeySet {
  readonly #sources: readonly Source[];
  readonly #compat: boolean;
  readonly #table = new IdentityTable();
  readonly #parts: TextColumn[] = [];
  #hasParts = false;
  #matrix: Matrix | null = null;
  #rows: RowSet | null = null;
  #isBuilt = false;

  constructor(sources: readonly Source[], compat: boolean) {
    this.#sources = sources;
    this.#compat = compat;
  }

  get rows(): RowSet {
    return this.#rows ?? ended();
  }

  get parts(): readonly TextColumn[] {
    if (this.#hasParts) return this.#parts;
    const matrix = this.#matrix ?? ended();
    for (let part = 0; part < this.#sources.length; part++)
      this.#parts[part] = matrix.text(this.#sources[part] as Source, this.#compat ? 'compat-key' : 'key');
    this.#hasParts = true;
    return this.#parts;
  }

  bind(matrix: Matrix, rows: RowSet): void {
    this.#matrix = matrix;
    this.#rows = rows;
    this.#isBuilt = false;
    this.#hasParts = false;
  }

  unbind(): void {
    this.#matrix = null;
    this.#rows = null;
    // Emptying the list would have the next request make room again.
    for (let part = 0; part < this.#parts.length; part++) this.#parts[part] = noText;
    this.#table.clear();
    this.#isBuilt = false;
    this.#hasParts = false;
  }

  identities(): IdentityTable {
    if (this.#isBuilt) return this.#table;
    this.#table.build(this.parts, this.rows);
    this.#isBuilt = true;
    return this.#table;
  }
}

/** Bulk writers want the block alone: the writers of its columns are bound for who asks for them. */
class BoundColumnsWriter implements ColumnsWriter {
  readonly slots: Int32Array;
  readonly #columns: readonly ColumnWriter[];
  #block: Block | null = null;
  #isAsked = false;
  #isBound = false;

  constructor(columns: readonly ColumnWriter[], slots: Int32Array) {
    this.#columns = Object.freeze(columns);
    this.slots = slots;
  }

  get columns(): readonly ColumnWriter[] {
    this.#isAsked = true;
    if (!this.#isBound && this.#block !== null) this.#bindColumns(this.#block);
    return this.#columns;
  }

  get block(): Block {
    return this.#block ?? ended();
  }

  bind(block: Block): void {
    this.#block = block;
    // Asked for before there was a block, or bound to another one.
    if (this.#isAsked) this.#bindColumns(block);
  }

  unbind(): void {
    this.#block = null;
    this.#isAsked = false;
    if (!this.#isBound) return;
    this.#isBound = false;
    for (let index = 0; index < this.#columns.length; index++) this.#columns[index]?.unbind();
  }

  #bindColumns(block: Block): void {
    this.#isBound = true;
    for (let index = 0; index < this.#columns.length; index++) this.#columns[index]?.bind(block, this.slots[index] as number);
  }
}

function ended(): never {
  throw new ComponentError('INFERFLOW_COMPONENTS_RUN_ENDED', 'a column of a run is used after the component ended, or before it began');
}

const noText: TextColumn = Object.freeze({
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  ranges: new Int32Array(0),
  rowCount: 0,
  textAt: ended,
});
