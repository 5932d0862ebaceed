import { describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { CallScope } from '../call-scope.js';
import { deadlines } from '../deadline-queue.js';
import { answer, FaultServer, frame, refuse, reset } from '../testing/fault-server.js';
import { PatientCall, ProbeCall, sleep, until } from '../testing/probe-call.js';
import { createUpstream } from './upstream.js';

/** Small seeded generator, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

async function turmoil(protocol: 'lean' | 'node', seed: number, count: number): Promise<Record<string, number>> {
  const next = random(seed);
  const servers = [await new FaultServer().start()];
  servers.push(await new FaultServer({ maxConcurrentStreams: 20 }, null, servers[0]!.port).start('127.0.0.2'));
  for (const server of servers)
    server.behaviour = (stream, _headers, message) => {
      const dice = next();
      if (dice < 0.01) reset(stream, 7);
      else if (dice < 0.02) refuse(stream, 14);
      else if (dice < 0.03) reset(stream, 2);
      else if (dice < 0.035) answer(stream, frame(message).subarray(0, 4));
      else if (dice < 0.04) stream.session?.goaway();
      else if (dice < 0.3) setTimeout(() => answer(stream, frame(message)), next() * 10);
      else if (dice < 0.32) return;
      else answer(stream, frame(message));
    };
  const ips = ['127.0.0.1', '127.0.0.2'];
  const upstream = createUpstream({
    name: 'turmoil',
    protocol,
    host: 'turmoil.test',
    port: servers[0]!.port,
    lookup: (_host, callback) =>
      setImmediate(() =>
        callback(
          null,
          ips.map((address) => ({ address, family: 4 })),
        ),
      ),
    backoffMs: 2,
    maxBackoffMs: 10,
    setAsideMs: 10,
    connectTimeoutMs: 200,
    keepaliveTimeoutMs: 100,
    maxInFlight: 200,
    maxInLine: 100,
  });
  const outcomes: Record<string, number> = {};
  const calls: { call: ProbeCall; wasCancelled: boolean }[] = [];
  let isDone = false;
  const restarts = (async () => {
    while (!isDone) {
      await sleep(60 + next() * 100);
      const at = Math.floor(next() * 2);
      const server = servers[at]!;
      if (next() < 0.4) server.cut();
      else {
        await server.kill();
        await sleep(next() * 30);
        await server.start(ips[at]);
      }
    }
  })();
  for (let i = 0; i < count; i++) {
    const size = next() < 0.02 ? 100_000 : Math.floor(next() * 300);
    const Kind = next() < 0.5 ? PatientCall : ProbeCall;
    const call = new Kind(Buffer.alloc(size, i), next() < 0.1 ? next() * 8 : 300);
    const entry = { call, wasCancelled: false };
    calls.push(entry);
    const scope = next() < 0.1 ? new CallScope() : null;
    scope?.attach(call);
    upstream.start(call);
    call.insideStart = false;
    const dice = next();
    if (dice < 0.05) {
      if (scope === null) upstream.cancel(call);
      else scope.end('cancelled');
      entry.wasCancelled = true;
    } else if (dice < 0.1)
      setTimeout(() => {
        if (call.ends > 0) return;
        upstream.cancel(call);
        entry.wasCancelled = true;
      }, next() * 12);
    if (i % 40 === 0) await sleep(next() * 8);
  }
  await until(() => upstream.inFlight === 0, 'every call ended');
  isDone = true;
  await restarts;
  await upstream.close(0);
  for (const { call, wasCancelled } of calls) {
    const outcome = wasCancelled ? 'cancelled' : (call.failure?.reason ?? 'ok');
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (call.ends !== (wasCancelled ? 0 : 1) || call.endedInsideStart || call.upstream !== null)
      throw new Error(`seed ${seed}: a call ended ${call.ends} times`);
    if (call.answer !== null && Buffer.compare(call.answer, call.body) !== 0) throw new Error(`seed ${seed}: an answer differs`);
  }
  for (const server of servers) await server.kill();
  expect(upstream).toMatchObject({ inFlight: 0, heldBytes: 0 });
  await until(() => deadlines.size === 0, 'empty deadline queue');
  expect(messageBuffers.taken).toBe(0);
  return outcomes;
}

describe('a remote upstream in turmoil', () => {
  it.each(['lean', 'node'] as const)(
    'ends 20 000 calls exactly once through cancels, deadlines, faults and restarts, and leaks nothing: %s connections',
    async (protocol) => {
      const outcomes = await turmoil(protocol, 20_260, 20_000);
      expect(outcomes['ok']).toBeGreaterThan(6000);
      expect(outcomes['cancelled']).toBeGreaterThan(1000);
      expect(outcomes['deadline']).toBeGreaterThan(50);
    },
    60_000,
  );
});
