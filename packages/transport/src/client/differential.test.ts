import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { slabs } from '../http2/out-slab.js';
import { FaultServer, frame, rawServer } from '../testing/fault-server.js';
import { HpackEncoder } from '../testing/hpack-encoder.js';
import { echoHead, ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import {
  cutFrames,
  type Dress,
  dataFrames,
  h2Frame,
  headerFrames,
  resetFrame,
  settingsAck,
  settingsFrame,
  windowFrame,
} from '../testing/wire.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';

/** Random rounds; the long form takes more. */
const long = Number(process.env['FUZZ_TIMES'] ?? 1);
const kinds = ['lean', 'node'] as const;
const upstreams: GrpcUpstream[] = [];

function connect(protocol: 'lean' | 'node', port: number): GrpcUpstream {
  const upstream = createUpstream({ name: 'peer', protocol, host: '127.0.0.1', port, retryRatio: 0, keepaliveTimeoutMs: 5000 });
  upstreams.push(upstream);
  return upstream;
}

afterEach(async () => {
  for (const upstream of upstreams.splice(0)) await upstream.close(0);
  await until(() => messageBuffers.taken === 0 && slabs.taken === 0, 'pools have everything back');
});

/** Small seeded generator: a failure is repeated by its seed. */
function diceOf(seed: number): (sides: number) => number {
  let state = seed * 2_654_435_761;
  return (sides) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % sides;
  };
}

const fields = (...pairs: [string, string][]) => pairs;

/** Answers in bytes of its own making, all of them allowed by HTTP/2: cut, padded, interleaved with what may come between. */
async function scriptedPeer(seed: number): Promise<{ port: number; close: () => Promise<void> }> {
  return await rawServer((socket) => {
    socket.setNoDelay(true);
    const dice = diceOf(seed);
    const encoder = new HpackEncoder(4096, () => dice(1000));
    const dress: Dress = {
      dataSize: () => [1, 7, 100, 5000, 16_384][dice(5)]!,
      padding: () => (dice(3) === 0 ? dice(256) : -1),
      fragmentSize: () => [3, 20, 16_384][dice(3)]!,
      between: () =>
        dice(6) > 0
          ? Buffer.alloc(0)
          : [
              h2Frame(6, 0, 0, Buffer.from('pingpong')),
              h2Frame(2, 0, 1, Buffer.alloc(5)),
              h2Frame(0xbe, 9, 3, Buffer.alloc(20)),
              windowFrame(0, 1),
              settingsFrame([4, 65_535 + dice(5000)]),
            ][dice(5)]!,
    };
    const head = (...more: [string, string][]) => encoder.encode(fields([':status', '200'], ['content-type', 'application/grpc'], ...more));
    const script = (id: number, message: Buffer): Buffer => {
      const trailers = (...all: [string, string][]) => headerFrames(id, encoder.encode(fields(...all)), true, dress);
      const data = (bytes: Buffer, isLast = false) => dataFrames(id, bytes, isLast, dress);
      const informational =
        dice(4) === 0 ? headerFrames(id, encoder.encode(fields([':status', '103'], ['link', '<a>'])), false, dress) : Buffer.alloc(0);
      const parts: (() => Buffer[])[] = [
        () => [headerFrames(id, head(), false, dress), data(frame(message)), trailers(['grpc-status', '0'])],
        () => [
          headerFrames(id, head(), false, dress),
          data(frame(message)),
          trailers(['grpc-status', '0'], ['grpc-message', ''], ['x-more', 'é\xff']),
        ],
        () => [
          headerFrames(id, head(['grpc-encoding', 'gzip']), false, dress),
          data(frame(gzipSync(message), 1)),
          trailers(['grpc-status', '0']),
        ],
        () => [headerFrames(id, head(['grpc-status', String(dice(18))], ['grpc-message', 'so%20it%20is%21']), true, dress)],
        () => [headerFrames(id, head(), false, dress), trailers(['grpc-status', String(dice(18))], ['grpc-message', '%E2%82%AC'])],
        () => [
          headerFrames(id, head(), false, dress),
          data(frame(message).subarray(0, 2 + dice(message.length + 3))),
          trailers(['grpc-status', '0']),
        ],
        () => [
          headerFrames(id, head(), false, dress),
          data(Buffer.concat([frame(message), frame(message)])),
          trailers(['grpc-status', '0']),
        ],
        () => [headerFrames(id, head(), false, dress), data(frame(message), true)],
        () => [headerFrames(id, head(), false, dress), data(frame(message)), resetFrame(id, [2, 7, 8, 11, 12][dice(5)]!)],
        () => [resetFrame(id, [2, 7, 8, 11][dice(4)]!)],
        () => [
          headerFrames(
            id,
            encoder.encode(fields([':status', String([404, 503, 401, 429, 302][dice(5)])], ['content-type', 'text/html'])),
            false,
            dress,
          ),
          data(Buffer.from('<html>'), true),
        ],
        () => [
          headerFrames(id, encoder.encode(fields([':status', '200'], ['content-type', 'text/plain'])), false, dress),
          data(Buffer.from('fine'), true),
        ],
        () => [headerFrames(id, head(['grpc-encoding', 'zstd']), false, dress), data(frame(message, 1)), trailers(['grpc-status', '0'])],
        () => [headerFrames(id, head(), false, dress), data(Buffer.concat([Buffer.of(7), frame(message)])), trailers(['grpc-status', '0'])],
        () => [headerFrames(id, head(), false, dress), trailers(['grpc-status', 'good'])],
      ];
      // Half of the answers are right.
      return Buffer.concat([informational, ...parts[dice(2) === 0 ? dice(3) : dice(parts.length)]!()]);
    };
    let pending: Buffer = Buffer.alloc(0);
    let isGreeted = false;
    const bodies = new Map<number, Buffer[]>();
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      if (!isGreeted) {
        if (pending.length < 24) return;
        pending = pending.subarray(24);
        isGreeted = true;
        socket.write(Buffer.concat([settingsFrame([3, 1000], [4, 65_535]), settingsAck]));
      }
      const { frames, rest } = cutFrames(pending);
      pending = rest;
      for (const { type, flags, streamId, payload } of frames) {
        if (type !== 0) continue;
        const parts = bodies.get(streamId) ?? [];
        parts.push(payload);
        bodies.set(streamId, parts);
        socket.write(windowFrame(0, Math.max(payload.length, 1)));
        if ((flags & 1) === 0) continue;
        bodies.delete(streamId);
        const bytes = script(streamId, Buffer.concat(parts).subarray(5));
        // Cut anywhere: what a read brings is up to the network.
        for (let at = 0; at < bytes.length; ) {
          const size = [1, 5, 50, 1000, 100_000][dice(5)]!;
          socket.write(bytes.subarray(at, at + size));
          at += size;
        }
      }
    });
  });
}

const outcome = (call: ProbeCall): string =>
  call.failure === null
    ? `${call.answer?.length}:${Buffer.from(call.answer ?? []).toString('base64')}`
    : `${call.failure.reason} ${call.failure.code} ${call.failure.message}`;

describe('lean and node connections', () => {
  it('say the same of whatever HTTP/2 allows, call by call', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 40 * long; seed++) {
      const outcomes: string[][] = [];
      for (const protocol of kinds) {
        const peer = await scriptedPeer(seed);
        const upstream = connect(protocol, peer.port);
        await upstream.ready(2000);
        const dice = diceOf(seed + 9999);
        const list: string[] = [];
        // One after the other, so that both kinds give the peer the same turns.
        for (let i = 0; i < 12; i++) {
          const call = new ProbeCall(Buffer.alloc(dice(4) === 0 ? dice(9000) : dice(60), `call ${i} of ${seed} `), 5000, 100_000);
          call.wantsMetadata = true;
          await run(upstream, call);
          expect(call.ends).toBe(1);
          list.push(`${outcome(call)} ${JSON.stringify([call.answerHeaders, call.answerTrailers])}`);
        }
        outcomes.push(list);
        await upstream.close(0);
        await peer.close();
      }
      for (const each of outcomes[0]!) seen.add(/^\d+:/.test(each) ? 'answer' : each.slice(0, 60));
      expect(outcomes[0], `seed ${seed}`).toEqual(outcomes[1]);
    }
    expect(seen.size).toBeGreaterThan(20);
  });

  it.each(kinds)('carry 0 B … 3 MB through node:http2 servers with every setting: %s', async (protocol) => {
    for (let seed = 1; seed <= 4 * long; seed++) {
      const dice = diceOf(seed);
      const settings: http2.Settings = {
        initialWindowSize: [1000, 16_384, 65_535, 1 << 20][dice(4)]!,
        maxFrameSize: [16_384, 50_000, 1 << 20][dice(3)]!,
        headerTableSize: [0, 100, 4096, 65_536][dice(4)]!,
        maxConcurrentStreams: [3, 50, 1000][dice(3)]!,
      };
      const server = new FaultServer(
        settings,
        null,
        0,
        [http2.constants.PADDING_STRATEGY_NONE, http2.constants.PADDING_STRATEGY_MAX, 1 /* aligned */][dice(3)]!,
      );
      await server.start();
      server.behaviour = (stream, _headers, message) => {
        const session = stream.session;
        if (session !== undefined && dice(3) === 0 && !session.destroyed)
          session.settings({ initialWindowSize: [1000, 5000, 65_535, 1 << 20][dice(4)]!, maxFrameSize: [16_384, 70_000][dice(2)]! });
        const answerBytes = message.length >= 4 ? message.readUInt32LE(0) : 0;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'x-turn': String(dice(100_000)) }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        const whole = frame(Buffer.alloc(answerBytes, message));
        if (whole.length < 300) {
          for (const byte of whole) stream.write(Buffer.of(byte));
          stream.end();
        } else {
          const cut = dice(whole.length);
          stream.write(whole.subarray(0, cut));
          setTimeout(() => stream.end(whole.subarray(cut)), dice(3));
        }
      };
      const upstream = connect(protocol, server.port);
      const size = () => [dice(300), dice(300), dice(20_000), dice(200_000), dice(3_000_000)][dice(5)]!;
      const calls = Array.from({ length: 40 }, () => {
        const body = Buffer.alloc(Math.max(size(), 4), `${dice(1000)} is part of a body `);
        body.writeUInt32LE(size(), 0);
        return new ProbeCall(body, 20_000);
      });
      await Promise.all(calls.map((call) => run(upstream, call)));
      for (const call of calls) {
        const body = Buffer.from(call.body);
        expect(call.failure, JSON.stringify({ seed, settings })).toBeNull();
        expect(Buffer.compare(call.answer ?? Buffer.alloc(0), Buffer.alloc(body.readUInt32LE(0), body))).toBe(0);
      }
      await upstream.close(0);
      await server.kill();
    }
  });

  it.each(kinds)('carry 0 B … 3 MB through grpc-js servers, statuses and metadata: %s', async (protocol) => {
    const server = new Server({ 'grpc.max_receive_message_length': -1 });
    const identity = (bytes: Buffer) => bytes;
    const method = {
      path: echoHead.path,
      requestStream: false,
      responseStream: false,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    };
    server.addService(
      { Echo: method },
      {
        Echo: (call: { request: Buffer }, callback: (error: { code: number; details: string } | null, answer?: Buffer) => void) => {
          const { request } = call;
          if (request.length === 3) callback({ code: request[0]! % 17, details: `ärger ${request[1]}` });
          else setTimeout(() => callback(null, Buffer.from(request).reverse()), request.length % 4);
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const upstream = connect(protocol, port);
    const dice = diceOf(7);
    const calls = Array.from({ length: 120 * long }, (_, i) =>
      i % 5 === 0
        ? new ProbeCall(Buffer.of(1 + (i % 16), i, 0))
        : new ProbeCall(
            Buffer.alloc([0, dice(3), 4 + dice(500), dice(100_000), i % 10 === 1 ? dice(3_000_000) : 17][dice(5)]!, `${i} `),
            20_000,
          ),
    );
    await Promise.all(calls.map((call) => run(upstream, call)));
    for (const call of calls) {
      expect(call.ends).toBe(1);
      if (call.body.length === 3 && call.failure !== null)
        expect(call.failure).toMatchObject({ code: call.body[0]! % 17, message: `ärger ${call.body[1]}` });
      else if (call.body.length === 3) expect(call.body[0]! % 17).toBe(status.OK);
      else expect(Buffer.compare(call.answer ?? Buffer.from('none'), Buffer.from(call.body).reverse())).toBe(0);
    }
    await upstream.close(0);
    server.forceShutdown();
    await sleep(0);
  });
});
