import { createLocalUpstream } from '@inferflow/transport';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { begin, sharing, sleep, turn } from './service-kinds.fixture.js';
import { ManualUpstream, type TestBench } from './testing/index.js';

let warnings: string[] = [];
const onWarning = (warning: Error & { code?: string }) => warnings.push(`${warning.code} ${warning.message}`);
beforeEach(() => {
  warnings = [];
  process.on('warning', onWarning);
});
afterEach(() => process.off('warning', onWarning));

/** A request whose host throws when the component ends. */
function beginBroken(bench: TestBench, budgetMs?: number) {
  const begun = begin(bench, budgetMs);
  begun.request.componentEnded = () => {
    throw new Error('the host broke');
  };
  return begun;
}

async function expectWarnings(count: number): Promise<void> {
  await turn();
  expect(warnings).toHaveLength(count);
  for (const warning of warnings) expect(warning).toMatch(/^INFERFLOW_TRANSPORT_CALLBACK .*: Error: the host broke/);
}

describe.each(sharing)('$name', ({ answer, bench: benchOf }) => {
  it('tell all their members of their deadline when it ends them, as a call of one alone would', async () => {
    const upstream = createLocalUpstream('test service', () => new Promise<never>(() => {}));
    const bench = benchOf(upstream, { deadlineMs: 40, batchSize: 16 });
    const requests = [begin(bench), begin(bench), begin(bench)];
    for (const { request } of requests) {
      await request.ended;
      expect(request.failure).toMatchObject({
        reason: 'deadline',
        message: 'test service: the deadline of the call passed before an answer came',
      });
    }
  });

  it('tell everybody of an answer, though one throws', async () => {
    const upstream = new ManualUpstream();
    const bench = benchOf(upstream, { batchSize: 16 });
    const [, second, , fourth] = [beginBroken(bench), begin(bench), beginBroken(bench), begin(bench)];
    await turn();
    expect(upstream.calls).toHaveLength(1);
    for (const call of upstream.open) call.answer(answer(call.message));
    for (const { request, isRight } of [second, fourth]) expect([request.ends, request.failure, isRight()]).toEqual([1, null, true]);
    await expectWarnings(2);
  });

  it('tell everybody of a failure, though one throws', async () => {
    const upstream = new ManualUpstream();
    const bench = benchOf(upstream, { batchSize: 16 });
    const requests = [beginBroken(bench), begin(bench), beginBroken(bench), begin(bench)];
    await turn();
    upstream.start = () => {
      throw new Error('no call can be made');
    };
    upstream.calls[0]?.fail('unavailable');
    expect(requests.map(({ request }) => request.failure?.message)).toEqual(
      [1, 0, 1, 0].map((isBroken) => (isBroken === 1 ? undefined : 'test service: no call can be made')),
    );
    expect(requests.map(({ state }) => state.busy)).toEqual([false, false, false, false]);
    await expectWarnings(2);
  });

  it('go on for the others when one throws whose time is up', async () => {
    const upstream = new ManualUpstream();
    const bench = benchOf(upstream, { batchSize: 16 });
    beginBroken(bench, 20);
    const long = begin(bench);
    await turn();
    await sleep(80);
    await expectWarnings(1);
    expect(long.request.ends).toBe(0);
    for (const call of upstream.open) call.answer(answer(call.message));
    expect(long.isRight()).toBe(true);
  });
});

describe('rows that wait for a common call', () => {
  it('are sent, though one throws whose rows are sent alone', async () => {
    const [{ answer, bench: benchOf }] = sharing as [(typeof sharing)[number]];
    const upstream = new ManualUpstream();
    const bench = benchOf(upstream, { batchSize: 4 });
    const requests = [beginBroken(bench), begin(bench)];
    const { start } = upstream;
    upstream.start = () => {
      upstream.start = start;
      throw new Error('no call can be made');
    };
    await turn();
    for (const call of upstream.open) call.answer(answer(call.message));
    expect(requests[1]?.isRight()).toBe(true);
    await expectWarnings(1);
  });
});
