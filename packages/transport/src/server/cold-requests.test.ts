import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { expect, it } from 'vitest';
import { PortWorld, raw } from '../testing/port-world.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { holdBytes } from './held-request.js';
import type { OnePortListener } from './one-port-options.js';
import type { ServerLoad } from './server-load.js';

const { client, last, overBoth, refusals, serve } = new PortWorld();
const load = () => (last() as unknown as { readonly load: ServerLoad }).load;

type Open = Parameters<OnePortListener>;

/** A request whose answer is read, at once or when `read` is called; settles with how it ended. */
type Ask = (port: number, reads: boolean) => { readonly ended: Promise<string>; read(): void; leave(): void };

const overHttp1: Ask = (port, reads) => {
  const request = http.request({ port, method: 'POST', path: '/', agent: new http.Agent() });
  let read = () => {};
  const ended = new Promise<string>((resolve) => {
    request.on('error', () => resolve('lost'));
    request.on('response', (response) => {
      let length = 0;
      response.on('close', () => resolve(response.complete ? `${response.statusCode} ${length}` : 'cut off'));
      response.on('error', () => {});
      read = () =>
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
        });
      if (reads) read();
    });
  });
  request.end('x');
  return { ended, read: () => void read(), leave: () => request.destroy() };
};

const overHttp2: Ask = (port, reads) => {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  let length = 0;
  let status: number | undefined;
  stream.on('error', () => {});
  stream.on('response', (headers) => {
    status = headers[':status'];
  });
  const read = () =>
    void stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
    });
  if (reads) read();
  const ended = new Promise<string>((resolve) =>
    stream.once('close', () => {
      resolve(stream.rstCode === 0 ? `${status} ${length}` : 'cut off');
      session.destroy();
    }),
  );
  stream.end('x');
  return { ended, read, leave: () => session.destroy() };
};

overBoth('requests that are no hot calls', (isLean) => {
  const asks: [string, Ask][] = [['HTTP/1.1', overHttp1]];
  if (!isLean) asks.push(['HTTP/2', overHttp2]);

  it.each(asks)('of %s: what they hold counts until their answers are taken or they are left', async (_, ask) => {
    const open: Open[] = [];
    const fits: boolean[] = [];
    const listener: OnePortListener = (request, response) => {
      fits.push(holdBytes(request, 600));
      open.push([request, response]);
    };
    const port = await serve({ maxHeldBytes: 2000, listener });
    const first = ask(port, true);
    await until(() => open.length === 1, 'the first');
    const second = ask(port, true);
    await until(() => open.length === 2, 'the second');
    // Half of the room is for hot calls.
    expect([fits, load().heldBytes]).toEqual([[true, false], 1200]);
    expect((await run(client(port), new ProbeCall('hot'))).text).toBe('hot');
    holdBytes(open[0]![0], 1000);
    expect((await run(client(port), new ProbeCall('hot'))).failure).toMatchObject({ code: 8 });
    open[0]?.[1].end();
    expect(await first.ended).toBe('200 0');
    await until(() => load().heldBytes === 600, 'what the first held is given back');
    second.leave();
    await until(() => load().heldBytes === 0, 'what the second held is given back');
    expect(holdBytes(open[0]![0], 600)).toBe(true);
    expect(load().heldBytes).toBe(0);
    expect((await run(client(port), new ProbeCall('hot'))).text).toBe('hot');
    expect(load().coldHeldBytes).toBe(0);
  });

  it.each(asks)('of %s: who does not take the answer is cut off', async (_, ask) => {
    const port = await serve({ sendTimeoutMs: 100, listener: (_request, response) => void response.end(Buffer.alloc(30_000_000)) });
    const { ended, read } = ask(port, false);
    await until(() => refusals.length > 0 && last().inFlight === 0, 'the end of the request');
    expect(refusals).toEqual(['slow-reader']);
    read();
    expect(['cut off', 'lost']).toContain(await ended);
  });

  it.each([
    ['grpc-timeout', '99999999H', '1728000S'],
    ['grpc-timeout', '480H', '480H'],
    ['grpc-timeout', '10x', '10x'],
    ['connect-timeout-ms', '9999999999', '1728000000'],
    ['connect-timeout-ms', '1728000000', '1728000000'],
    ['connect-timeout-ms', '12345678901', '12345678901'],
    ['connect-timeout-ms', 'soon', 'soon'],
  ])('keep a time that a timer can count: %s %s', async (name, sent, seen) => {
    const port = await serve({
      listener: (request, response) => void (response as http.ServerResponse).end(String(request.headers[name])),
    });
    const answer = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', headers: { [name]: sent } });
    expect(await answer.text()).toBe(seen);
    if (!isLean) expect(String((await raw(port, [], { ':path': '/', 'content-type': 'text/plain', [name]: sent })).body)).toBe(seen);
  });

  it.each(asks)('of %s: slow work and quiet streams are left alone', async (_, ask) => {
    const port = await serve({
      sendTimeoutMs: 50,
      listener: async (_request, response) => {
        const plain = response as http.ServerResponse;
        await sleep(200);
        plain.write('one');
        await sleep(200);
        plain.end('two');
      },
    });
    expect(await ask(port, true).ended).toBe('200 6');
    expect(refusals).toEqual([]);
  });

  it('of HTTP/1.1, sent without waiting for answers: those behind the first end with the connection, too', async () => {
    let asked = 0;
    let closed = 0;
    const listener: OnePortListener = (request, response) => {
      asked++;
      holdBytes(request, 10);
      response.on('close', () => closed++);
    };
    const port = await serve({ maxColdInFlight: 10, apart: '/health', listener });
    for (const round of [1, 2]) {
      const socket = net.connect(port, '127.0.0.1');
      socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx'.repeat(30));
      socket.write('GET /health HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(5));
      await until(() => asked === round * 15 && load().coldInFlight === 35, 'all requests');
      expect([load().heldBytes, load().apartInFlight, refusals.length]).toEqual([150, 5, round * 20]);
      socket.destroy();
      await until(() => load().coldInFlight === 0, 'nothing in flight');
      expect([load().heldBytes, load().coldHeldBytes, load().apartInFlight, closed]).toEqual([0, 0, 0, asked]);
    }
  });

  it('of HTTP/1.1: a quiet connection is kept between them', async () => {
    const port = await serve({ sendTimeoutMs: 50 });
    const socket = net.connect(port, '127.0.0.1');
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk;
    });
    for (const round of [1, 2]) {
      socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx');
      await until(() => said.split('POST / 1').length === round + 1, `answer ${round}`);
      await sleep(150);
    }
    socket.destroy();
  });
});
