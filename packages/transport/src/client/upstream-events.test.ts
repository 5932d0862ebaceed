import { afterEach, describe, expect, it } from 'vitest';
import { echo, FaultServer } from '../testing/fault-server.js';
import { ProbeCall, run, until } from '../testing/probe-call.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';
import type { UpstreamEvent } from './upstream-options.js';

const servers: FaultServer[] = [];
let upstream: GrpcUpstream;
afterEach(async () => {
  await upstream.close(0);
  for (const server of servers.splice(0)) await server.kill();
});

describe.each(['lean', 'node'] as const)('events of an upstream, %s connections', (protocol) => {
  it('tell of every connection that came up once that it is gone: lost, of an address that is gone, and at the close', async () => {
    const server = await new FaultServer().start('0.0.0.0');
    servers.push(server);
    server.behaviour = echo;
    const events: UpstreamEvent[] = [];
    let ips = ['127.0.0.1', '127.0.0.2'];
    upstream = createUpstream({
      name: 'store',
      protocol,
      host: 'store.test',
      port: server.port,
      dnsRefreshMs: 10,
      lookup: (_host, callback) =>
        setImmediate(() =>
          callback(
            null,
            ips.map((address) => ({ address, family: 4 })),
          ),
        ),
      onEvent: (event) => events.push(event),
    });
    const of = (kind: string, ip = '') =>
      events.filter((event) => event.kind === kind && 'address' in event && event.address.startsWith(ip));
    const open = () => of('connected').length - of('disconnected').length;
    await run(upstream, new ProbeCall('x'));
    await until(() => of('connected').length === 2, 'both addresses are up');
    ips = ['127.0.0.1'];
    await until(() => {
      upstream.start(new ProbeCall('y'));
      return of('disconnected', '127.0.0.2').length === 1;
    }, 'the address that is gone is let go');
    expect(of('disconnected', '127.0.0.2')).toMatchObject([{ isRetired: true }]);
    expect(open()).toBe(1);
    server.cut();
    await until(() => of('disconnected', '127.0.0.1').length === 1, 'the loss');
    expect(of('disconnected', '127.0.0.1')).toMatchObject([{ isRetired: false }]);
    await run(upstream, new ProbeCall('z'));
    expect(open()).toBe(1);
    await upstream.close(1000);
    expect(open()).toBe(0);
    expect(of('disconnected', '127.0.0.1')[1]).toMatchObject({ isRetired: true });
  });
});
