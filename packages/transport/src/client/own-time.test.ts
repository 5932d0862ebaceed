import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ProbeCall, run } from '../testing/probe-call.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';

let server: Http2Server | undefined;
let upstream: GrpcUpstream | undefined;

afterEach(async () => {
  await upstream?.close(0);
  server?.close();
});

/** A peer that answers after so many milliseconds, never for `Infinity`. */
async function peer(afterMs: number): Promise<GrpcUpstream> {
  server = createServer();
  server.on('stream', (stream) => {
    stream.resume();
    stream.on('error', () => {});
    if (afterMs === Number.POSITIVE_INFINITY) return;
    setTimeout(() => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    }, afterMs);
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  upstream = createUpstream({ name: 'peer', host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  expect(await upstream.ready(5000)).toBe(true);
  return upstream;
}

function work(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

describe('the deadline of a call', () => {
  it('does not count what this process spent on its own work', async () => {
    const service = await peer(40);
    const ended = run(service, new ProbeCall('question', 150));
    // The peer lives in this process too: it cannot answer meanwhile, and the deadline is long over at the end.
    await new Promise((resolve) => setImmediate(resolve));
    work(250);
    expect((await ended).text).toBe('');
  });

  it('ends a call all the same when the peer has had its time', async () => {
    const service = await peer(Number.POSITIVE_INFINITY);
    const started = performance.now();
    const ended = run(service, new ProbeCall('question', 100));
    work(60);
    expect((await ended).failure?.reason).toBe('deadline');
    expect(performance.now() - started).toBeGreaterThan(120);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
