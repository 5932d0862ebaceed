import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { expect, it } from 'vitest';
import { frame, rawServer } from '../testing/fault-server.js';
import { hotPath, PortWorld, raw } from '../testing/port-world.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { createOnePort } from './one-port.js';

const { calls, client, handle, last, overBoth, refusals, serve, servers, sessions } = new PortWorld();

overBoth('connections', (isLean) => {
  it.skipIf(isLean)('gives up requests of HTTP/2 that do not arrive, and the rest of those that were answered unread', async () => {
    const answered = (request: { readonly headers: http.IncomingHttpHeaders }) => request.headers['x-answer'] !== undefined;
    const port = await serve({
      receiveTimeoutMs: 100,
      listener: (request, response) => {
        request.once('data', () => {
          if (!answered(request)) return;
          (response as http.ServerResponse).end('enough');
        });
      },
    });
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const send = async (event: string, headers: http2.OutgoingHttpHeaders) => {
      const stream = session.request({ ':method': 'POST', ':path': '/cold', ...headers });
      stream.on('error', () => {});
      stream.resume().write(Buffer.alloc(3_000_000));
      await new Promise((resolve) => stream.once(event, resolve));
      return stream.rstCode;
    };
    expect(await send('close', {})).toBe(http2.constants.NGHTTP2_CANCEL);
    expect(refusals).toEqual(['receive-timeout']);
    await send('end', { 'x-answer': '1' });
    await until(() => servers.at(-1)!.inFlight === 0);
    expect(refusals).toHaveLength(1);
    session.destroy();
  });

  it('closes sockets that stay silent, and slow HTTP/1.1 headers', async () => {
    const port = await serve({ handshakeTimeoutMs: 100 });
    const socket = net.connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    expect(refusals).toEqual(['handshake-timeout']);
    const slow = net.connect(port, '127.0.0.1');
    slow.write('GET / HTTP/1.1\r\nhost: a\r\n');
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      slow.on('data', (chunk) => {
        text += chunk;
      });
      slow.once('close', () => resolve(text));
    });
    expect(answer).toContain('408');
  });

  it('limits connections', async () => {
    const port = await serve({ maxConnections: 2 });
    const sockets = Array.from({ length: 4 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    await until(() => refusals.length === 2);
    expect(last().connections).toBe(2);
    for (const socket of sockets) socket.destroy();
  });

  it('carries many idle connections', async () => {
    const port = await serve();
    const sockets = Array.from({ length: 500 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    await until(() => last().connections === 500);
    expect((await run(client(port), new ProbeCall('hi'))).text).toBe('hi');
    for (const socket of sockets) socket.destroy();
  });

  it('closes idle connections and asks old ones to leave, without failing a call', async () => {
    const idlePort = await serve({ idleTimeoutMs: 60 });
    const idle = client(idlePort);
    await run(idle, new ProbeCall('x'));
    await until(() => last().connections === 0, 'idle connection closed');
    expect((await run(idle, new ProbeCall('again'))).text).toBe('again');

    const agedPort = await serve({ maxConnectionAgeMs: 50 });
    const busy = client(agedPort);
    const probes: ProbeCall[] = [];
    for (let i = 0; i < 60; i++) {
      probes.push(await run(busy, new ProbeCall(`slow 5 ${i}`)));
    }
    expect(probes.map((probe) => probe.failure).filter((failure) => failure !== null)).toEqual([]);
    expect(sessions.filter((kind) => kind === 'aged').length).toBeGreaterThan(2);
  });

  it('survives garbage, and counts clients that reset too much', async () => {
    const port = await serve({ maxInFlight: 10_000 });
    for (const bytes of [
      Buffer.from('\0\0\0garbage'),
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(100, 0xff)]),
    ]) {
      const socket = net.connect(port, '127.0.0.1').on('error', () => {});
      socket.write(bytes);
      socket.resume();
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    }
    expect((await run(client(port), new ProbeCall('fine'))).text).toBe('fine');

    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    for (let round = 0; round < 30 && !session.destroyed; round++) {
      for (let i = 0; i < 50 && !session.destroyed; i++) {
        const stream = session.request({ ':method': 'POST', ':path': hotPath, 'content-type': 'application/grpc' });
        stream.on('error', () => {});
        stream.end(frame(Buffer.from('never')));
        setTimeout(() => stream.close(8), 5);
      }
      await sleep(10);
    }
    await until(() => last().inFlight === 0, 'reset calls gone');
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const isConfigurable = isLean || major > 22 || (major === 22 && minor >= 11);
    if (isConfigurable) expect(session.destroyed).toBe(false);
    else await until(() => sessions.includes('reset-limit'), 'counted reset limit');
    session.destroy();
    expect((await run(client(port), new ProbeCall('fine'))).text).toBe('fine');
  });

  it('refuses other requests above their bound in their own protocol, health checks never', async () => {
    const held: http.ServerResponse[] = [];
    const port = await serve({
      maxColdInFlight: 2,
      listener: (request, response) => (request.method === 'GET' ? response.end('up') : held.push(response as http.ServerResponse)),
    });
    const open = [1, 2].map(() => fetch(`http://127.0.0.1:${port}/x`, { method: 'POST', body: 'x' }));
    await until(() => held.length === 2);
    const refused = await fetch(`http://127.0.0.1:${port}/x`, { method: 'POST', body: 'x' });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: 'resource_exhausted' });
    expect(await raw(port, [frame(Buffer.from('x'))], { ':path': '/cold.Service/Method' })).toMatchObject({
      status: isLean ? '12' : '8',
    });
    expect(await (await fetch(`http://127.0.0.1:${port}/health`)).text()).toBe('up');
    for (const response of held) response.end();
    await Promise.all(open);
    await until(() => last().inFlight === 0);
  });

  it('rejects listening on a port in use, and says so', async () => {
    const taken = await rawServer(() => {});
    const server = createOnePort({ hot: [], listener: () => {}, maxInFlight: 1 });
    await expect(server.listen(taken.port, '127.0.0.1')).rejects.toMatchObject({
      code: 'INFERFLOW_TRANSPORT_LISTEN',
      message: `cannot listen on 127.0.0.1:${taken.port}: the port is in use (EADDRINUSE)`,
    });
    await taken.close();
  });

  it('rejects listening on a port that is none', async () => {
    const server = createOnePort({ hot: [], listener: () => {}, maxInFlight: 1 });
    await expect(server.listen(700_000)).rejects.toMatchObject({
      code: 'INFERFLOW_TRANSPORT_LISTEN',
      message: 'cannot listen on *:700000: a port is a number from 0 to 65535',
    });
  });

  it('names every bad option at once', () => {
    const twice = { path: '/a/b', maxMessageBytes: -1, handle: () => {} };
    expect(() => createOnePort({ hot: [twice, twice], listener: () => {}, maxInFlight: 0, idleTimeoutMs: -1 })).toThrow(
      /given twice.*maxInFlight.*idleTimeoutMs/,
    );
  });
});

overBoth('drain', () => {
  it('finishes what is in flight and fails nothing under load', async () => {
    const port = await serve();
    const replacement = createOnePort({ hot: [{ path: hotPath, maxMessageBytes: 1000, handle }], listener: () => {}, maxInFlight: 1000 });
    servers.push(replacement);
    const draining = servers.at(-2);
    await replacement.listen(port, '127.0.0.2');
    const upstream = client(port, {
      host: 'both',
      lookup: (_host: string, callback: (error: null, found: { address: string; family: number }[]) => void) =>
        callback(null, [
          { address: '127.0.0.1', family: 4 },
          { address: '127.0.0.2', family: 4 },
        ]),
    });
    await upstream.ready(1000);
    const probes: Promise<ProbeCall>[] = [];
    const load = (async () => {
      for (let i = 0; i < 150; i++) {
        for (let k = 0; k < 4; k++) probes.push(run(upstream, new ProbeCall(`slow ${(i * k) % 20} ${i}`)));
        await sleep(2);
      }
    })();
    await sleep(80);
    await draining?.drain(3000);
    await load;
    const failed = (await Promise.all(probes)).filter((probe) => probe.failure !== null);
    expect(failed.map((probe) => probe.failure)).toEqual([]);
    expect(draining?.connections).toBe(0);
  });

  it('is bounded: a stuck call is cut off after the grace', async () => {
    const port = await serve();
    const upstream = client(port, { retryRatio: 0 });
    const stuck = run(upstream, new ProbeCall('never'));
    await until(() => calls.length === 1);
    const began = performance.now();
    await last().drain(150);
    expect(performance.now() - began).toBeLessThan(1000);
    expect((await stuck).failure?.reason).toBe('unavailable');
    await until(() => calls[0]?.scope.ended === 'cancelled', 'cancelled scope');
  });

  it('asks HTTP/1.1 callers to close, and refuses new connections', async () => {
    const port = await serve({
      listener: (_request, response) => setTimeout(() => (response as http.ServerResponse).end('done'), 60),
    });
    const agent = new http.Agent({ keepAlive: true });
    const answer = new Promise<string>((resolve, reject) => {
      http
        .get({ port, host: '127.0.0.1', agent }, (response) => response.on('data', (chunk) => resolve(String(chunk))))
        .on('error', reject);
    });
    await until(() => last().inFlight === 1);
    const drained = last().drain(2000);
    expect(await answer).toBe('done');
    await drained;
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
    agent.destroy();
  });
});
