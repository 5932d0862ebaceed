import { readFileSync } from 'node:fs';
import type http from 'node:http';
import { request } from 'node:https';
import net from 'node:net';
import tls from 'node:tls';
import { expect, it } from 'vitest';
import { PortWorld } from '../testing/port-world.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';

const { calls, client, last, overBoth, refusals, serve } = new PortWorld();
const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url), 'utf8');
const certificate = { cert: pem('server.pem'), key: pem('server.key') };
const ca = pem('ca.pem');

/** A connection of HTTP/1.1 over TLS, once it is up. */
async function connect(port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: '127.0.0.1', ca, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  return socket;
}

async function answerTo(port: number, text: string): Promise<string> {
  const socket = await connect(port);
  let said = '';
  socket.on('data', (chunk: Buffer) => {
    said += chunk.toString('latin1');
  });
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return said;
}

overBoth('TLS', () => {
  it('lets calls over TLS end while it drains', async () => {
    const port = await serve({ tls: certificate });
    const call = run(client(port, { tls: { ca } }), new ProbeCall('slow 300'));
    await until(() => calls.length === 1);
    await last().drain(5000);
    expect((await call).text).toBe('slow 300');
  });

  it('serves TLS by ALPN', async () => {
    const port = await serve({ tls: certificate });
    expect((await run(client(port, { tls: { ca } }), new ProbeCall('secret'))).text).toBe('secret');
    const text = await new Promise<string>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/tls', ca }, (response) => response.on('data', (chunk) => resolve(String(chunk))))
        .on('error', reject)
        .end();
    });
    expect(text).toBe('1.1 GET /tls 0');
    expect((await run(client(port), new ProbeCall('plain'))).failure?.reason).toBe('unavailable');
  });

  it('asks callers for a certificate when told to', async () => {
    const port = await serve({ tls: { ...certificate, ca, requestCert: true } });
    const mutual = client(port, { host: 'localhost', tls: { ca, cert: pem('client.pem'), key: pem('client.key') } });
    expect((await run(mutual, new ProbeCall('me'))).text).toBe('me');
    expect((await run(client(port, { tls: { ca } }), new ProbeCall('anonymous', 2000))).failure?.reason).toBe('unavailable');
  });

  it.each([
    ['the first byte of a handshake', Buffer.of(0x16)],
    ['half a hello', Buffer.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3)],
  ])('closes a connection that stops after %s', async (_what, bytes) => {
    const port = await serve({ tls: certificate, handshakeTimeoutMs: 100 });
    const socket = net.connect(port, '127.0.0.1').on('error', () => {});
    socket.write(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
    await until(() => last().connections === 0, 'closed connections');
    expect(refusals).toEqual(['handshake-timeout']);
  });

  it('does not wait for a connection without a request when it drains', async () => {
    const port = await serve({ tls: certificate });
    const socket = await connect(port);
    const closed = new Promise((resolve) => socket.resume().once('close', resolve));
    await last().drain(60_000);
    await closed;
  });

  it('says what is wrong with a request of HTTP/1.1, however much of it has not been read', async () => {
    const port = await serve({ tls: certificate });
    expect(await answerTo(port, `GET / HTTP/1.1\r\nhost: a\r\nx: ${'v'.repeat(200_000)}\r\n\r\n`)).toContain('431 ');
    expect(await answerTo(port, `GARBAGE\r\n${'v'.repeat(200_000)}`)).toContain('400 ');
  });

  it('puts no such answer into one that has begun', async () => {
    const port = await serve({
      tls: certificate,
      listener: (_request, response) => {
        const plain = response as http.ServerResponse;
        plain.writeHead(200, { 'content-type': 'text/plain' });
        plain.write('begun');
      },
    });
    expect(await answerTo(port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\nGARBAGE\r\n\r\n')).not.toContain('400');
  });

  it('lets a request end that has begun when it drains', async () => {
    const port = await serve({ tls: certificate });
    const socket = await connect(port);
    let said = '';
    socket.on('data', (chunk: Buffer) => {
      said += chunk.toString('latin1');
    });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET /half HTTP/1.1\r\nhost: a\r\n');
    await sleep(50);
    const drained = last().drain(10_000);
    await sleep(50);
    socket.write('\r\n');
    await Promise.all([drained, closed]);
    expect(said).toContain('200 OK');
  });
});
