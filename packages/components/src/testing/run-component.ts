import { type CellStatus, cellStatusName, type DecodedValue, decodeValue, type Matrix, sourceOf } from '@inferflow/matrix';
import type { ComponentDefinition } from '../define-component.js';
import type { Failure } from '../failure.js';
import type { RowFaults } from '../row-faults.js';
import { TestBench, type TestOptions } from './test-bench.js';

/** Rows that have no real result. */
export interface TestFault {
  readonly from: number;
  /** Half-open. */
  readonly to: number;
  readonly failure: Failure;
}

/** What a component did. */
export interface TestResult {
  /** Values of the columns it wrote, one per row of its matrix; null without a value. */
  readonly columns: Readonly<Record<string, readonly (DecodedValue | null)[]>>;
  /** The same columns as they are stored; empty without a value. */
  readonly bytes: Readonly<Record<string, readonly Uint8Array[]>>;
  /** Names of the cells' statuses. */
  readonly status: Readonly<Record<string, readonly string[]>>;
  readonly faults: readonly TestFault[];
  /** Positions whose inputs were filled by default. */
  readonly defaulted: readonly number[];
  /** Why the component as a whole failed; null when it did not. */
  readonly failure: Failure | null;
}

/** Runs a component for one request, without a server or an engine. Rejects when the configuration does not hold. */
export async function runComponent<C>(definition: ComponentDefinition<C>, options: TestOptions): Promise<TestResult> {
  const bench = new TestBench(definition, options);
  const state = bench.createState();
  const request = bench.createRequest();
  const timer = options.deadlineMs === undefined ? undefined : setTimeout(() => request.cancel(state, 'deadline'), options.deadlineMs);
  request.begin(state);
  await request.ended;
  clearTimeout(timer);
  const result = readResult(bench, request.matrix, request.slate?.matrix ?? null, state.faults, request.failure);
  state.end();
  request.release();
  return result;
}

/** @internal Copies what a component wrote. */
export function readResult(
  bench: TestBench,
  targets: Matrix,
  slates: Matrix | null,
  faults: RowFaults,
  failure: Failure | null,
): TestResult {
  const matrix = bench.component.scope === 'slate' ? slates : targets;
  const columns: Record<string, (DecodedValue | null)[]> = {};
  const bytes: Record<string, Uint8Array[]> = {};
  const status: Record<string, string[]> = {};
  const shape = bench.binding.write.shape;
  for (const slot of shape === null || matrix === null ? [] : shape.slots) {
    const rows = Array.from({ length: (matrix as Matrix).rowCount }, (_, row) => row);
    const reader = (matrix as Matrix).reader(sourceOf((matrix as Matrix).layout.require(slot.name)));
    bytes[slot.name] = rows.map((row) => reader.bytes(row).slice());
    columns[slot.name] = rows.map((row) => (reader.hasValue(row) ? decodeValue(slot.type, reader.bytes(row).slice()) : null));
    status[slot.name] = rows.map((row) => cellStatusName(reader.status(row) satisfies CellStatus));
  }
  return {
    columns,
    bytes,
    status,
    faults: Array.from({ length: faults.count }, (_, index) => ({
      from: faults.from(index),
      to: faults.to(index),
      failure: faults.failure(index),
    })),
    defaulted: [...(faults.defaulted ?? [])].flatMap((mark, position) => (mark === 0 ? [] : [position])),
    failure,
  };
}
