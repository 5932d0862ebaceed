import { afterEach, describe, expect, it } from 'vitest';
import { deadlines } from '../deadline-queue.js';
import { answer, FaultServer, frame } from '../testing/fault-server.js';
import { PatientCall, ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { createLocalUpstream, type LocalUpstreamOptions } from './local-upstream.js';
import type { Upstream } from './unary-call.js';
import { createUpstream } from './upstream.js';
import type { UpstreamOptions } from './upstream-options.js';

type Subject = Upstream & { readonly inFlight: number; readonly heldBytes?: number };

/** What the service got, and how to have it answer: in any order, the same bytes. */
class Service {
  readonly got: string[] = [];
  #answers = new Map<string, () => void>();

  came(text: string, answer: () => void): void {
    this.got.push(text);
    this.#answers.set(text, answer);
  }

  async answer(...texts: string[]): Promise<void> {
    for (const text of texts) {
      await until(() => this.#answers.has(text), `a call "${text}" at the service`);
      this.#answers.get(text)?.();
      this.#answers.delete(text);
    }
  }
}

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  expect(deadlines.size).toBe(0);
});

async function remote(service: Service, options: Partial<UpstreamOptions>, protocol: 'lean' | 'node'): Promise<Subject> {
  const server = await new FaultServer().start();
  server.behaviour = (stream, _headers, message) => service.came(message.toString(), () => answer(stream, frame(message)));
  const upstream = createUpstream({ name: 'subject', protocol, host: '127.0.0.1', port: server.port, ...options });
  ends.push(
    () => upstream.close(0),
    () => server.kill(),
  );
  return upstream;
}

async function local(service: Service, options: LocalUpstreamOptions): Promise<Subject> {
  const upstream = createLocalUpstream(
    'subject',
    (_path, message) => new Promise((resolve) => service.came(Buffer.from(message).toString(), () => resolve(message))),
    options,
  );
  ends.push(() => upstream.close(0));
  return upstream;
}

const patient = (text: string, timeoutMs?: number) => new PatientCall(text, timeoutMs);
const texts = (calls: readonly ProbeCall[]) => calls.map(({ text }) => text);

describe.each([
  ['remote, lean', (service: Service, options: LocalUpstreamOptions) => remote(service, options, 'lean')],
  ['remote, node', (service: Service, options: LocalUpstreamOptions) => remote(service, options, 'node')],
  ['local', local],
] as const)('patient calls, %s upstream', (_name, create) => {
  it('stand in line where there is no room, and have it in the order they came', async () => {
    const service = new Service();
    const upstream = await create(service, { maxInFlight: 2 });
    const calls = ['a', 'b', 'c', 'd', 'e'].map((text) => patient(text));
    const ended = calls.map((call) => run(upstream, call));
    await until(() => service.got.length === 2);
    expect(upstream).toMatchObject({ inFlight: 5, isCrowded: true });
    await service.answer('b');
    await until(() => service.got.length === 3);
    expect(upstream).toMatchObject({ inFlight: 4, isCrowded: true });
    await service.answer('a', 'c', 'd', 'e');
    expect(texts(await Promise.all(ended))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(service.got.slice(2)).toEqual(['c', 'd', 'e']);
    expect(upstream).toMatchObject({ inFlight: 0, isCrowded: false });
  });

  it('are refused when the line is full, others as soon as there is one', async () => {
    const service = new Service();
    const upstream = await create(service, { maxInFlight: 1, maxInLine: 2 });
    const kept = ['a', 'b', 'c'].map((text) => run(upstream, patient(text)));
    const refused = await Promise.all([run(upstream, patient('d')), run(upstream, new ProbeCall('e'))]);
    for (const { failure, endedInsideStart } of refused) {
      expect([failure?.reason, endedInsideStart]).toEqual(['overloaded', false]);
      expect(failure?.message).toMatch(/^subject has 3 calls and \d+ request bytes in flight/);
    }
    await service.answer('a', 'b', 'c');
    expect(texts(await Promise.all(kept))).toEqual(['a', 'b', 'c']);
    const next = run(upstream, new ProbeCall('f'));
    await service.answer('f');
    expect((await next).text).toBe('f');
  });

  it('have their whole time once they have room, and not more', async () => {
    const service = new Service();
    const upstream = await create(service, { maxInFlight: 1 });
    const first = run(upstream, patient('first'));
    const [answered, late] = [run(upstream, patient('answered', 50)), run(upstream, patient('late', 50))];
    await sleep(120);
    await service.answer('first', 'answered');
    expect((await answered).text).toBe('answered');
    expect((await late).failure).toMatchObject({ reason: 'deadline', code: 4 });
    expect((await first).text).toBe('first');
    expect(service.got).toEqual(['first', 'answered', 'late']);
  });

  it('leave the line when they are cancelled, and go on when those before them are', async () => {
    const service = new Service();
    const upstream = await create(service, { maxInFlight: 1 });
    const [open, left] = [patient('open'), patient('left')];
    for (const call of [open, left]) upstream.start(call);
    const kept = run(upstream, patient('kept'));
    await until(() => service.got.length === 1);
    upstream.cancel(left);
    upstream.cancel(open);
    expect(upstream.inFlight).toBe(1);
    await service.answer('kept');
    expect((await kept).text).toBe('kept');
    expect([open.ends, left.ends, left.writes]).toEqual([0, 0, 0]);
  });

  it('go on when those before them run out of time', async () => {
    const service = new Service();
    const upstream = await create(service, { maxInFlight: 2 });
    const hanging = ['a', 'b'].map((text) => run(upstream, patient(text, 30)));
    const next = ['c', 'd'].map((text) => run(upstream, patient(text)));
    expect((await Promise.all(hanging)).map(({ failure }) => failure?.reason)).toEqual(['deadline', 'deadline']);
    await service.answer('c', 'd');
    expect(texts(await Promise.all(next))).toEqual(['c', 'd']);
  });

  it('fail when their upstream closes, and run to their end while it gives them time', async () => {
    const service = new Service();
    for (const graceMs of [0, 5000]) {
      const upstream = await create(service, { maxInFlight: 1 });
      const ended = ['a', 'b', 'c'].map((text) => run(upstream, patient(`${text}${graceMs}`)));
      await until(() => service.got.includes(`a${graceMs}`));
      const closed = upstream.close(graceMs);
      if (graceMs > 0) await service.answer('a5000', 'b5000', 'c5000');
      const expected = graceMs > 0 ? ['ok', 'ok', 'ok'] : ['unavailable', 'unavailable', 'unavailable'];
      expect((await Promise.all(ended)).map(({ failure }) => failure?.reason ?? 'ok')).toEqual(expected);
      await closed;
      expect(upstream.inFlight).toBe(0);
    }
  });
});

describe.each(['lean', 'node'] as const)('patient calls and bytes, %s connections', (protocol) => {
  it('wait for so many bytes as they need, smaller ones behind them', async () => {
    const service = new Service();
    const upstream = await remote(service, { maxQueuedBytes: 10 }, protocol);
    const ended = ['aaaaaa', 'bbbbbbbb', 'c'].map((text) => run(upstream, patient(text)));
    expect(upstream.heldBytes).toBe(6 + 9);
    await until(() => service.got.length === 1);
    await service.answer('aaaaaa', 'bbbbbbbb', 'c');
    expect(texts(await Promise.all(ended))).toEqual(['aaaaaa', 'bbbbbbbb', 'c']);
    expect(upstream.heldBytes).toBe(0);
  });

  it('are refused when they alone are too many, or hold too many themselves', async () => {
    const service = new Service();
    const events: string[] = [];
    const upstream = await remote(service, { maxQueuedBytes: 10, onEvent: ({ kind }) => events.push(kind) }, protocol);
    const ended = ['0123456789', '012345', '01234', '012345678910'].map((text) => run(upstream, patient(text)));
    class WithoutBytes extends PatientCall {
      override get bytesInLine(): number {
        return 0;
      }
    }
    const light = run(upstream, new WithoutBytes('9876543210'));
    for (const call of [ended[2], ended[3]]) expect((await call)?.failure?.reason).toBe('overloaded');
    expect(events.filter((kind) => kind === 'overloaded')).toHaveLength(2);
    await service.answer('0123456789', '012345', '9876543210');
    expect((await light).text).toBe('9876543210');
    expect(texts(await Promise.all(ended.slice(0, 2)))).toEqual(['0123456789', '012345']);
  });

  it('fail with all others when nothing can be reached', async () => {
    const server = await new FaultServer().start();
    const { port } = server;
    await server.kill();
    const upstream = createUpstream({ name: 'subject', protocol, host: '127.0.0.1', port, maxInFlight: 2 });
    ends.push(() => upstream.close(0));
    const calls = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((text) => run(upstream, patient(text))));
    expect(new Set(calls.map(({ failure }) => failure?.reason))).toEqual(new Set(['unavailable']));
    expect(upstream).toMatchObject({ inFlight: 0, heldBytes: 0 });
  });
});
