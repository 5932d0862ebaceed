import { type Block, type BlockShape, type CellFailures, CellStatus, dataTypeInfo, type RowSet } from '@inferflow/matrix';
import { createFailure, type Failure } from './failure.js';
import type { RowFaultList } from './row-faults.js';

/** Different failures of one run that are told apart: a component may make up a new reason for each cell. */
const maxFailures = 100;

/**
 * Why cells of one run failed, as the component's writers heard it. Rows with failed cells of which the component said nothing else get
 * their error from here: no score goes out on lost values without a word. Nothing is made before a cell fails.
 */
export class FailedCells implements CellFailures {
  readonly #componentName: string;
  readonly #shape: BlockShape | null;
  /** By slot, then by row of the block. */
  readonly #bySlot = new Map<number, Map<number, Failure>>();
  readonly #known = new Map<string, Failure>();

  constructor(componentName: string, shape: BlockShape | null) {
    this.#componentName = componentName;
    this.#shape = shape;
  }

  cellFailed(slot: number, row: number, reason: string): void {
    let rows = this.#bySlot.get(slot);
    if (rows === undefined) {
      rows = new Map();
      this.#bySlot.set(slot, rows);
    }
    rows.set(row, this.#failure(slot, reason));
  }

  /** Adds a fault for every position of `rows` with failed cells that has none yet. */
  tell(block: Block, rows: RowSet, faults: RowFaultList): void {
    const told = new Uint8Array(rows.count);
    for (let fault = 0; fault < faults.count; fault++) told.fill(1, faults.from(fault), faults.to(fault));
    for (let slot = 0; slot < block.shape.slots.length; slot++) {
      for (let position = 0; position < rows.count; position++) {
        if (told[position] === 1) continue;
        // The rows of a slate component's block are slates.
        const row = rows.slateOf === null ? block.blockRowOf(position) : (rows.slateOf[position] as number);
        if (row < 0 || row >= block.rowCount || block.status(row, slot) !== CellStatus.failed) continue;
        faults.add(position, position + 1, this.#bySlot.get(slot)?.get(row) ?? this.#failure(slot, 'the value could not be had'));
      }
    }
  }

  /** Forgets the request: its reasons may hold values of it. */
  clear(): void {
    if (this.#known.size === 0) return;
    this.#bySlot.clear();
    this.#known.clear();
  }

  #failure(slot: number, reason: string): Failure {
    const key = `${slot} ${reason}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size === maxFailures) return [...this.#known.values()][maxFailures - 1] as Failure;
    const { name = '', type = 0 } = this.#shape?.slots[slot] ?? {};
    const failure =
      reason === ''
        ? createFailure('conversion', `column "${name}" was given a value that ${dataTypeInfo(type).name} cannot hold`, this.#componentName)
        : createFailure('not-written', `column "${name}": ${reason}`, this.#componentName);
    this.#known.set(key, failure);
    return failure;
  }
}
