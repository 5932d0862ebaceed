import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { ProbeCall, run } from '../testing/probe-call.js';
import { createUpstream } from './upstream.js';

const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
const secret = { cert: pem('server.pem'), key: pem('server.key') };
const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 10]);
const open: net.Server[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function portOf(server: net.Server): Promise<number> {
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return (server.address() as net.AddressInfo).port;
}

/** Does something to each socket as soon as it says something. */
const answering = (act: (socket: net.Socket) => void) =>
  net.createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => act(socket));
  });

const useTls = /use TLS \(https:\/\/\) for it$/;
const usePlain = /use plaintext \(http:\/\/\) for it$/;

describe.each(['lean', 'node'] as const)('a peer that expects something else, %s connections', (protocol) => {
  it.each([
    ['a TLS server, in plaintext', () => http2.createSecureServer(secret), false, useTls],
    ['a bare TLS server, in plaintext', () => tls.createServer({ ...secret, ALPNProtocols: ['h2'] }), false, useTls],
    ['a server that resets, in plaintext', () => answering((socket) => socket.resetAndDestroy()), false, useTls],
    ['a server that answers with an alert, in plaintext', () => answering((socket) => socket.end(alert)), false, useTls],
    [
      'a TLS server that agrees on no protocol, over TLS',
      () => tls.createServer(secret, (socket) => socket.on('error', () => {})),
      true,
      /ALPN h2/,
    ],
    ['a plaintext server, over TLS', () => http2.createServer(), true, usePlain],
    ['a server of HTTP/1.1, over TLS', () => http.createServer(), true, usePlain],
    ['a server that hangs up, over TLS', () => answering((socket) => socket.end()), true, usePlain],
    ['a server that resets, over TLS', () => answering((socket) => socket.resetAndDestroy()), true, usePlain],
  ])('fails with UNAVAILABLE and a hint: %s', async (_name, make, isTls, hint) => {
    const port = await portOf(make());
    const upstream = createUpstream({ name: 'store', host: '127.0.0.1', port, protocol, ...(isTls && { tls: { ca: pem('ca.pem') } }) });
    const { failure } = await run(upstream, new ProbeCall('x', 2000));
    expect(failure).toMatchObject({ reason: 'unavailable', code: 14, message: expect.stringMatching(hint) });
    expect(failure?.message).toContain(`127.0.0.1:${port}`);
    expect(failure?.message).not.toContain('\n');
    await upstream.close(0);
  });

  const closing = () => tls.createServer({ ...secret, ALPNProtocols: ['h2'] }, (socket) => socket.on('error', () => {}).end());

  it.each([
    ['ends the handshake with an alert', () => answering((socket) => socket.write(alert)), /alert number 10/],
    ['closes when TLS is up', closing, /closed before HTTP\/2 was agreed$/],
  ])('gives no such hint where the server speaks TLS and %s', async (_what, make, text) => {
    const port = await portOf(make());
    const upstream = createUpstream({ name: 'store', host: '127.0.0.1', port, protocol, tls: { ca: pem('ca.pem') } });
    const { failure } = await run(upstream, new ProbeCall('x', 2000));
    expect(failure).toMatchObject({ reason: 'unavailable', code: 14, message: expect.stringMatching(text) });
    expect(failure?.message).not.toMatch(/https?:\/\//);
    await upstream.close(0);
  });

  it('gives no such hint where nobody listens, or a certificate is not trusted', async () => {
    const port = await portOf(http2.createSecureServer(secret));
    const closed = await portOf(net.createServer());
    open.pop()?.close();
    for (const [to, isTls] of [
      [closed, false],
      [closed, true],
      [port, true],
    ] as const) {
      const upstream = createUpstream({ name: 'store', host: '127.0.0.1', port: to, protocol, ...(isTls && { tls: {} }) });
      const { failure } = await run(upstream, new ProbeCall('x', 2000));
      expect(failure?.message).toMatch(to === closed ? /ECONNREFUSED/ : /certificate/);
      expect(failure?.message).not.toMatch(/https?:\/\//);
      await upstream.close(0);
    }
  });
});

describe('lean connections', () => {
  it('say so where a web server answers', async () => {
    const port = await portOf(http.createServer());
    const upstream = createUpstream({ name: 'store', host: '127.0.0.1', port });
    const { failure } = await run(upstream, new ProbeCall('x', 2000));
    expect(failure).toMatchObject({ code: 14, message: expect.stringContaining('answers in HTTP/1.1') });
    await upstream.close(0);
  });
});
