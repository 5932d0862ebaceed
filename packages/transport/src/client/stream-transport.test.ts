import { readFileSync } from 'node:fs';
import type http2 from 'node:http2';
import { createClient } from '@connectrpc/connect';
import { Health } from '@inferflow/proto';
import { afterEach, describe, expect, it } from 'vitest';
import { answer, FaultServer, frame } from '../testing/fault-server.js';
import { lookupOf } from '../testing/upstream-world.js';
import { createConnectTransport } from './connect-transport.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';
import type { UpstreamOptions } from './upstream-options.js';

const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
const open: { upstream: GrpcUpstream; server: FaultServer }[] = [];
afterEach(async () => {
  for (const { upstream, server } of open.splice(0)) {
    await upstream.close(0);
    await server.kill();
  }
});

/** A server that sends one message per stream, and an upstream to it; `seen` are the headers of its requests. */
async function start(options: Partial<UpstreamOptions> = {}, tls: ConstructorParameters<typeof FaultServer>[1] = null) {
  const server = await new FaultServer({}, tls).start();
  const seen: http2.IncomingHttpHeaders[] = [];
  server.behaviour = (stream, headers) => {
    seen.push(headers);
    answer(stream, frame(Uint8Array.of(8, 1)));
  };
  const upstream = createUpstream({ name: 'store', host: '127.0.0.1', port: server.port, ...options });
  open.push({ upstream, server });
  const watch = async (authority: string, timeoutMs?: number) => {
    const statuses: number[] = [];
    const client = createClient(Health, createConnectTransport(upstream, { authority }));
    for await (const { status } of client.watch({}, timeoutMs === undefined ? {} : { timeoutMs })) statuses.push(status);
    return statuses;
  };
  return { server, seen, watch };
}

describe('streams of an upstream', () => {
  it('are seen as the authority of their transport, on one connection', async () => {
    const { server, seen, watch } = await start();
    for (const authority of ['store.shop.example', 'other.example:8085']) expect(await watch(authority)).toEqual([1]);
    expect(seen.map((headers) => headers[':authority'])).toEqual(['store.shop.example', 'other.example:8085']);
    expect(server.connections).toBe(1);
  });

  it('find their host as calls do', async () => {
    const { watch } = await start({ host: 'store.test', lookup: lookupOf('127.0.0.1') });
    expect(await watch('store')).toEqual([1]);
    const lost = await start({ host: 'store.test', lookup: (_host, callback) => callback(new Error('no such name'), []) });
    await expect(lost.watch('store')).rejects.toThrow('no such name');
  });

  it('ask over TLS for the name that calls ask for', async () => {
    const asked: string[] = [];
    const settings = {
      cert: pem('server.pem'),
      key: pem('server.key'),
      SNICallback: (name: string, callback: (error: null) => void) => {
        asked.push(name);
        callback(null);
      },
    };
    const { seen, watch } = await start({ host: 'localhost.', lookup: lookupOf('127.0.0.1'), tls: { ca: pem('ca.pem') } }, settings);
    expect(await watch('store')).toEqual([1]);
    expect(asked).toEqual(['localhost']);
    expect(seen[0]?.[':authority']).toBe('store');
  });

  it('take any time, in whole milliseconds that gRPC has digits for', async () => {
    const { seen, watch } = await start();
    for (const timeoutMs of [Number.POSITIVE_INFINITY, 3e9, 60_000.7, 0, undefined]) expect(await watch('store', timeoutMs)).toEqual([1]);
    expect(seen.map((headers) => headers['grpc-timeout'])).toEqual([undefined, '99999999m', '60000m', undefined, undefined]);
  });
});
