import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { RpcStatusSchema } from '@inferflow/proto';
import { expect, it, vi } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { CallScope } from '../call-scope.js';
import { slabs } from '../http2/out-slab.js';
import { frame } from '../testing/fault-server.js';
import { normal, PeerWorld } from '../testing/peer-world.js';
import { ProbeCall, run, until } from '../testing/probe-call.js';
import { answerFrames } from '../testing/raw-peer.js';
import { gunzips } from '../testing/watch-gunzips.js';
import { block, dataFrames, goawayFrame, headerFrames, resetFrame } from '../testing/wire.js';

vi.mock('node:zlib', async (original) =>
  (await import('../testing/watch-gunzips.js')).watchedZlib(await original<typeof import('node:zlib')>()),
);

const world = new PeerWorld();
const refusedStream = 7;

world.describeBoth('an answer that has begun', () => {
  it.each([
    ['refused', 1, (id: number) => resetFrame(id, refusedStream)],
    ['refused', 2, (id: number) => resetFrame(id, refusedStream)],
    ['denied by GOAWAY', 2, () => goawayFrame(0)],
  ])('and is then %s after %s frames is not asked for again', async (_what, frames, deny) => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, id, message) => {
      if (world.peer.requests > 1) return normal(socket, id, message);
      const { head, data } = answerFrames(id, message);
      socket.write(...[head, data].slice(0, frames), deny(id));
      // node:http2 gives such a stream up when the connection goes.
      setTimeout(() => socket.socket.destroy(), 20);
    };
    const call = await run(upstream, new ProbeCall('x', 1000));
    expect(call.failure).toMatchObject({ reason: 'unavailable', code: 14 });
    expect(world.peer.requests).toBe(1);
  });

  it('and is then refused is retried once where retries are wanted', async () => {
    const upstream = world.connect({ retryRatio: 1 });
    world.peer.onRequest = (socket, id, message) => socket.write(answerFrames(id, message).head, resetFrame(id, refusedStream));
    expect((await run(upstream, new ProbeCall('x', 1000))).failure).toMatchObject({ code: 14 });
    expect(world.peer.requests).toBe(2);
  });
});

world.describeBoth('content-length of an answer', () => {
  const answer = (id: number, lengths: readonly string[], status = '0', message: string | null = 'hi') =>
    Buffer.concat([
      headerFrames(
        id,
        block([':status', '200'], ['content-type', 'application/grpc'], ...lengths.map((length) => ['content-length', length] as const)),
        false,
      ),
      message === null ? Buffer.alloc(0) : dataFrames(id, frame(Buffer.from(message)), false),
      headerFrames(id, block(['grpc-status', status]), true),
    ]);

  it.each([['3'], ['30'], ['x'], [''], ['7', '30'], ['7', '7']])('"%s" %s of 7 bytes fails as malformed', async (...lengths) => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, id) => socket.write(answer(id, lengths));
    const { failure } = await run(upstream, new ProbeCall('x', 1000));
    if (world.protocol === 'lean')
      expect(failure).toMatchObject({ reason: 'malformed', code: 13, message: expect.stringContaining('content-length') });
    else expect(failure).toMatchObject({ code: 13 });
    world.peer.onRequest = normal;
    expect((await run(upstream, new ProbeCall('y'))).text).toBe('y');
    // Newer Node ends the connection with such an answer.
    if (world.protocol === 'lean') expect(world.peer.connections).toHaveLength(1);
  });

  it.each([
    ['7', '0', 'hi', 'hi'],
    ['0', '5', null, 'failed: rejected 5 '],
  ])('"%s" is taken where it is right (status %s)', async (length, status, message, text) => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, id) => socket.write(answer(id, [length], status, message));
    for (let i = 0; i < 3; i++) expect((await run(upstream, new ProbeCall('x', 1000))).text).toBe(text);
  });
});

world.describeBoth('calls on a connection that is lost', () => {
  it.each(['one by one', 'with their scope'])('may be cancelled %s when the first of them fails', async (how) => {
    const upstream = world.connect({ backoffMs: 1, maxBackoffMs: 1 });
    world.peer.onRequest = ({ socket }, id) => {
      if (id === 5) socket.destroy();
    };
    for (let round = 0; round < 3; round++) {
      await upstream.ready(1000);
      const calls = ['a', 'b', 'c'].map((text) => new ProbeCall(text));
      const scope = new CallScope();
      let mostTaken = 0;
      for (const call of calls) {
        if (how !== 'one by one') scope.attach(call);
        call.onEnd = () => {
          if (how !== 'one by one') {
            scope.detach(call);
            scope.end('cancelled');
          } else for (const other of calls) if (other !== call) upstream.cancel(other);
          mostTaken = Math.max(mostTaken, slabs.taken);
        };
        upstream.start(call);
      }
      await until(() => calls.some((call) => call.ends > 0), 'an end');
      expect(mostTaken).toBe(0);
      await until(() => slabs.taken === 0, 'slabs are given back');
      expect(calls.reduce((sum, call) => sum + call.ends, 0)).toBe(1);
      expect(upstream.inFlight).toBe(0);
    }
  });
});

world.describeBoth('a compressed answer', () => {
  it('is not inflated when its call has ended meanwhile, and leaves no buffer', async () => {
    const upstream = world.connect();
    const bytes = gzipSync(Buffer.alloc(2_000_000, 'x'));
    world.peer.onRequest = (socket, id) =>
      socket.write(
        headerFrames(id, block([':status', '200'], ['content-type', 'application/grpc'], ['grpc-encoding', 'gzip']), false),
        dataFrames(id, frame(bytes, 1), false),
        headerFrames(id, block(['grpc-status', '0']), true),
      );
    gunzips.reset();
    const calls = Array.from({ length: 12 }, () => new ProbeCall('x'));
    for (const call of calls) upstream.start(call);
    await until(() => gunzips.live === 4, 'the first are inflated');
    for (const call of calls.slice(1, -1)) upstream.cancel(call);
    await until(() => calls[0]!.ends + calls.at(-1)!.ends === 2, 'both that are left');
    expect(calls.map(({ answer }) => answer?.length)).toEqual([2_000_000, ...Array(10).fill(undefined), 2_000_000]);
    await until(() => gunzips.live === 0 && messageBuffers.taken === 0, 'all is given back');
    expect(gunzips.made).toBeLessThanOrEqual(5);
  });
});

world.describeBoth('an answer in other words', () => {
  const gzip = ['grpc-encoding', 'gzip'] as const;
  const details = Buffer.from(toBinary(RpcStatusSchema, create(RpcStatusSchema, { code: 5, message: 'not here' }))).toString('base64');

  it.each([
    ['with a content type in capitals', 'Application/GRPC', [], frame(Buffer.from('hi')), [['grpc-status', '0']], /^hi$/],
    ['of no bytes, compressed', 'application/grpc', [gzip], frame(Buffer.alloc(0), 1), [['grpc-status', '0']], /^$/],
    ['with zeros for a status', 'application/grpc', [], frame(Buffer.from('hi')), [['grpc-status', '00']], /^failed: malformed 13 /],
    [
      'whose message is in the details',
      'application/grpc',
      [],
      null,
      [
        ['grpc-status', '5'],
        ['grpc-status-details-bin', details],
      ],
      /^failed: rejected 5 not here$/,
    ],
  ] as const)('%s', async (_what, type, fields, body, trailers, text) => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, id) =>
      socket.write(
        headerFrames(id, block([':status', '200'], ['content-type', type], ...fields), false),
        body === null ? Buffer.alloc(0) : dataFrames(id, body, false),
        headerFrames(id, block(...trailers), true),
      );
    for (let i = 0; i < 2; i++) expect((await run(upstream, new ProbeCall('x', 1000))).text).toMatch(text);
  });
});
