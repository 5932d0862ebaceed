import { readFileSync } from 'node:fs';
import net from 'node:net';
import type tls from 'node:tls';
import { expect, it } from 'vitest';
import { echo, rawServer } from '../testing/fault-server.js';
import { ProbeCall, run } from '../testing/probe-call.js';
import { lookupOf, UpstreamWorld } from '../testing/upstream-world.js';

const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
const { connect, describeBoth, serve } = new UpstreamWorld();

describeBoth('createUpstream: TLS', () => {
  const settings = { cert: pem('server.pem'), key: pem('server.key') };

  it('verifies the certificate and the name', async () => {
    const server = await serve({}, settings);
    const good = connect(server.port, { host: 'localhost', lookup: lookupOf('127.0.0.1'), tls: { ca: pem('ca.pem') } });
    expect((await run(good, new ProbeCall('x'))).text).toBe('x');
    expect((await run(connect(server.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).text).toBe('x');
    const untrusted = await run(connect(server.port, { tls: {} }), new ProbeCall('x'));
    expect(untrusted.failure).toMatchObject({ reason: 'unavailable', message: expect.stringContaining('certificate') });
    const wrongName = await run(connect(server.port, { tls: { ca: pem('ca.pem'), servername: 'other.test' } }), new ProbeCall('x'));
    expect(wrongName.failure?.message).toMatch(/Host: other\.test\. is not in the cert/);
    const careless = connect(server.port, { tls: { rejectUnauthorized: false } });
    expect((await run(careless, new ProbeCall('x'))).text).toBe('x');
  });

  it('asks for a name without the dot at its end, and finds it in the certificate', async () => {
    const asked: string[] = [];
    const SNICallback: tls.TlsOptions['SNICallback'] = (name, callback) => {
      asked.push(name);
      callback(null);
    };
    const server = await serve({}, { ...settings, SNICallback });
    const upstream = connect(server.port, { host: 'localhost.', lookup: lookupOf('127.0.0.1'), tls: { ca: pem('ca.pem') } });
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    expect(asked).toEqual(['localhost']);
  });

  it('shows a client certificate', async () => {
    const server = await serve({}, { ...settings, ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true });
    const tls = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') };
    expect((await run(connect(server.port, { tls }), new ProbeCall('x'))).text).toBe('x');
    expect((await run(connect(server.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).failure?.reason).toBe('unavailable');
  });

  it('refuses plaintext where TLS is asked for, and a peer without h2', async () => {
    const plain = await serve();
    expect((await run(connect(plain.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).failure?.reason).toBe('unavailable');
    const http1 = await serve({}, { ...settings, ALPNProtocols: ['http/1.1'] });
    expect((await run(connect(http1.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).failure?.reason).toBe('unavailable');
  });

  it('gives a connection up whose peer sends what cannot be decrypted, and keeps it open', async () => {
    const server = await serve({}, settings);
    const damaged = Buffer.concat([Buffer.of(0x17, 3, 3, 0, 20), Buffer.alloc(20, 5)]);
    const clients: net.Socket[] = [];
    const proxy = await rawServer((socket) => {
      clients.push(socket);
      const out = net.connect(server.port, '127.0.0.1').on('error', () => {});
      socket.pipe(out).pipe(socket);
      socket.once('close', () => out.destroy());
    });
    const upstream = connect(proxy.port, { tls: { ca: pem('ca.pem') }, retryRatio: 0 });
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    server.behaviour = () => clients[0]?.write(damaged);
    const lost = await run(upstream, new ProbeCall('y', Number.POSITIVE_INFINITY));
    expect(lost).toMatchObject({ ends: 1, failure: { reason: 'unavailable', code: 14 } });
    server.behaviour = echo;
    await upstream.ready(1000);
    expect((await run(upstream, new ProbeCall('z'))).text).toBe('z');
    expect(clients).toHaveLength(2);
    await upstream.close(0);
    await proxy.close();
  });
});
