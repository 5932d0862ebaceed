import type { ComponentDefinition } from '../define-component.js';
import { createRegistry } from '../registry.js';
import { readResult, type TestResult } from './run-component.js';
import { TestBench, type TestOptions, type TestRequest } from './test-bench.js';

/** One promise that every component keeps. `run` rejects with what was found otherwise; use it with any test runner. */
export interface ContractCheck {
  readonly name: string;
  run(): Promise<void>;
}

/** How long a component may take to end, ms. */
const patienceMs = 5000;

/**
 * The checks that every component has to pass, for one configuration and one set of columns.
 *
 * ```ts
 * for (const check of componentContract(businessRules, { config, columns })) it(check.name, () => check.run());
 * ```
 */
export function componentContract<C>(definition: ComponentDefinition<C>, options: TestOptions): readonly ContractCheck[] {
  return [
    {
      name: 'can be registered',
      async run() {
        createRegistry().register(definition);
      },
    },
    {
      name: 'ends exactly once and leaves no cell unwritten',
      async run() {
        const bench = new TestBench(definition, options);
        const state = bench.createState();
        const request = bench.createRequest();
        request.begin(state);
        await patience(request.ended);
        // The run settles what a component leaves open, and ignores a second end: what it noted tells.
        const { faults } = state;
        for (let index = 0; index < faults.count; index++) {
          const unwritten = `it ended without writing a value in rows ${faults.from(index)} to ${faults.to(index) - 1}: write one, setNull or fail`;
          expect(faults.failure(index).reason !== 'not-written', unwritten);
        }
        await untilIdle(state, 'after it ended');
        expect(request.ends === 1 && bench.binding.lateEnds === 0, 'it ended more than once');
        request.release();
      },
    },
    {
      name: 'changes nothing but its own columns',
      async run() {
        const bench = new TestBench(definition, options);
        const request = bench.createRequest();
        const before = inputsOf(request);
        await begin(bench, request);
        const after = inputsOf(request);
        expect(
          after.every((bytes, index) => isEqual(bytes, before[index] as Uint8Array)),
          'the bytes of its inputs changed',
        );
        request.release();
      },
    },
    {
      name: 'gives the same results when its run is used again',
      async run() {
        const bench = new TestBench(definition, options);
        const state = bench.createState();
        const results: TestResult[] = [];
        for (let round = 0; round < 2; round++) {
          const request = bench.createRequest();
          request.begin(state);
          await patience(request.ended);
          results.push(readResult(bench, request.matrix, request.slate?.matrix ?? null, state.faults, request.failure));
          expect(!state.busy, 'its run is busy after it ended');
          state.end();
          request.release();
        }
        expect(describe(results[0]) === describe(results[1]), 'the second request has other results');
      },
    },
    {
      name: 'works without rows',
      async run() {
        const columns = Object.fromEntries(Object.entries(options.columns).map(([name, column]) => [name, emptied(column)]));
        const { slate, ...rest } = options;
        const empty = { ...rest, columns, rows: 0, ...(slate === undefined ? {} : { slate: { targets: [] } }) };
        const { request } = await runOnce(definition, empty);
        expect(request.failure === null, `it failed: ${request.failure?.message}`);
        request.release();
      },
    },
    {
      name: 'ends at once when its request is cancelled, and lets go of it',
      async run() {
        const bench = new TestBench(definition, options);
        const state = bench.createState();
        const request = bench.createRequest();
        request.begin(state);
        const wasRunning = request.ends === 0;
        request.cancel(state);
        expect(request.ends === 1, `it ended ${request.ends} times`);
        expect(!wasRunning || request.failure?.reason === 'cancelled', 'it did not end as cancelled');
        const block = writtenOf(definition, options, request);
        const bytes = block?.memory.bytes.slice() ?? new Uint8Array(0);
        await untilIdle(state, 'after its request was cancelled');
        expect(block === null || isEqual(bytes, block.memory.bytes), 'it wrote after its request was cancelled');
        expect(request.ends === 1, 'it ended again after its request was cancelled');
        request.release();
      },
    },
  ];
}

async function runOnce<C>(definition: ComponentDefinition<C>, options: TestOptions): Promise<{ request: TestRequest }> {
  const bench = new TestBench(definition, options);
  const request = bench.createRequest();
  await begin(bench, request);
  return { request };
}

async function begin(bench: TestBench, request: TestRequest): Promise<void> {
  request.begin(bench.createState());
  await patience(request.ended);
}

function writtenOf<C>(definition: ComponentDefinition<C>, options: TestOptions, request: TestRequest) {
  return request.written(new TestBench(definition, options).component.scope);
}

function inputsOf(request: TestRequest): readonly Uint8Array[] {
  return [request.matrix, request.slate?.matrix].flatMap((matrix) => {
    const block = matrix?.blocks[0];
    return block === null || block === undefined ? [] : [block.memory.bytes.slice()];
  });
}

function emptied(column: TestOptions['columns'][string]): TestOptions['columns'][string] {
  return 'type' in column ? { type: column.type, values: [] } : [];
}

function describe(result: TestResult | undefined): string {
  return JSON.stringify(result, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  );
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(`component contract: ${otherwise}`);
}

async function patience(ended: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`component contract: it did not end within ${patienceMs} ms`)), patienceMs);
  });
  try {
    await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A component that waits may take a moment to notice; then its run must be free. */
async function untilIdle(state: { readonly busy: boolean }, since: string): Promise<void> {
  const until = performance.now() + patienceMs;
  await new Promise((resolve) => setTimeout(resolve, 20));
  while (state.busy && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(!state.busy, `its run is still busy ${patienceMs} ms ${since}`);
}
