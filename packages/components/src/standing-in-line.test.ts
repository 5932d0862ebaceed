import { createCallHead, createLocalUpstream, GrpcError, UnaryCall } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { begin, kinds, sharing, sleep, turn } from './service-kinds.fixture.js';
import { ManualUpstream } from './testing/index.js';

/** A call of somebody else, which takes the only place until it is let go. */
class Occupant extends UnaryCall {
  static readonly path = '/test.Service/Occupy';
  constructor() {
    super(createCallHead({ path: Occupant.path, authority: 'test' }), Number.POSITIVE_INFINITY);
  }
  get byteLength(): number {
    return 0;
  }
  write(): void {}
  succeeded(): void {}
  failed(): void {}
}

/** A service of one call at once, whose place is taken. */
function occupied(answer: (message: Uint8Array) => Uint8Array) {
  const upstream = createLocalUpstream(
    'test service',
    (path, message) => (path === Occupant.path ? new Promise<never>(() => {}) : answer(message)),
    { maxInFlight: 1 },
  );
  const occupant = new Occupant();
  upstream.start(occupant);
  return { upstream, letGo: () => upstream.cancel(occupant) };
}

describe.each(kinds)('$name: a service without room', ({ answer, bench: benchOf }) => {
  it('is asked with one call at a time while others stand in line, and with all when they do not', async () => {
    const upstream = new ManualUpstream();
    upstream.isCrowded = true;
    const { request, isRight } = begin(benchOf(upstream));
    await turn();
    expect(upstream.open).toHaveLength(1);
    upstream.open[0]?.answer(answer(upstream.open[0].message));
    await turn();
    expect(upstream.calls).toHaveLength(2);
    upstream.isCrowded = false;
    for (const call of upstream.open) call.answer(answer(call.message));
    await turn();
    for (const call of upstream.open) call.answer(answer(call.message));
    expect([request.ends, request.failure, isRight()]).toEqual([1, null, true]);
  });

  it('costs no call its time, and no row its value', async () => {
    const { upstream, letGo } = occupied(answer);
    const bench = benchOf(upstream, { deadlineMs: 60 });
    const requests = [begin(bench), begin(bench), begin(bench)];
    await sleep(200);
    expect(requests.map(({ request }) => request.ends)).toEqual([0, 0, 0]);
    letGo();
    for (const { request, isRight } of requests) {
      await request.ended;
      expect([request.failure, isRight()]).toEqual([null, true]);
    }
    expect(upstream.inFlight).toBe(0);
  });

  it('says so of calls that were refused for want of it', async () => {
    const upstream = createLocalUpstream('test service', () => new Promise<never>(() => {}), { maxInFlight: 1, maxInLine: 0 });
    upstream.start(new Occupant());
    const { request, state } = begin(benchOf(upstream));
    await request.ended;
    expect(request.failure?.reason).toBe('overloaded');
    expect(state.calls.count).toBeGreaterThan(0);
    expect(state.calls).toMatchObject({ failed: state.calls.count, overloaded: state.calls.count });
  });

  it('does not keep a request that is over', async () => {
    const { upstream, letGo } = occupied(answer);
    const bench = benchOf(upstream);
    const [gone, stays] = [begin(bench), begin(bench)];
    await turn();
    gone.request.cancel(gone.state, 'deadline');
    stays.request.cancel(stays.state);
    expect([gone.request.ends, gone.state.busy, upstream.inFlight]).toEqual([1, false, 1]);
    const last = begin(bench);
    letGo();
    await last.request.ended;
    expect(last.isRight()).toBe(true);
  });
});

describe.each(sharing)('$name that stood in line', ({ answer, bench: benchOf }) => {
  it('and failed are tried again alone, as if there had been no line', async () => {
    let calls = 0;
    const { upstream, letGo } = occupied((message) => {
      if (++calls === 1) throw new GrpcError(14, 'not now');
      return answer(message);
    });
    const bench = benchOf(upstream, { deadlineMs: 60, batchSize: 8 });
    const requests = [begin(bench), begin(bench)];
    await sleep(200);
    expect(requests.map(({ request }) => request.ends)).toEqual([0, 0]);
    letGo();
    for (const { request, isRight } of requests) {
      await request.ended;
      expect([request.failure, isRight()]).toEqual([null, true]);
    }
  });
});
