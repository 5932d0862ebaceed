import { afterEach, describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { createUpstream } from '../client/upstream.js';
import { deadlines } from '../deadline-queue.js';
import { frame } from '../testing/fault-server.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { RawCaller } from '../testing/raw-caller.js';
import { callHead } from '../testing/server-bench.js';
import { dataFrames, goawayFrame, h2Frame, headerFrames, settingsFrame } from '../testing/wire.js';
import { createOnePort } from './one-port.js';
import type { OnePort } from './one-port-options.js';

const path = '/test.Echo/Echo';
const answerBytes = 500_000;
/** A PING has eight. */
const brokenPing = h2Frame(6, 0, 0, Buffer.alloc(7));

describe.each(['node', 'lean'] as const)('a caller that breaks HTTP/2 and leaves, %s listener', (http2) => {
  let server: OnePort;
  afterEach(async () => {
    await until(() => server.connections === 0, 'closed connections');
    server.close();
    await until(() => deadlines.size === 0 && messageBuffers.taken === 0, 'empty queues and pools');
  });

  async function serve(respond: boolean, idleTimeoutMs = 400): Promise<number> {
    server = createOnePort({
      http2,
      maxInFlight: 100,
      maxHeldBytes: 10 * answerBytes,
      sendTimeoutMs: 200,
      receiveTimeoutMs: 200,
      idleTimeoutMs,
      hot: [
        {
          path,
          maxMessageBytes: 1_000_000,
          handle: (call) => {
            if (respond) call.respond({ byteLength: answerBytes, write: (target, at) => target.fill(7, at, at + answerBytes) });
          },
        },
      ],
      listener: (_request, response) => response.end(),
    });
    return (await server.listen(0, '127.0.0.1')).port;
  }

  async function ask(port: number): Promise<string> {
    const upstream = createUpstream({ name: 'honest', host: '127.0.0.1', port });
    const call = await run(upstream, new ProbeCall('x'));
    await upstream.close(100);
    return call.failure === null ? 'answered' : call.text;
  }

  async function breakIt(port: number, last: Buffer): Promise<void> {
    const caller = new RawCaller(port).greet([4, 0]);
    for (let id = 1; id < 20; id += 2) caller.write(headerFrames(id, callHead, false), dataFrames(id, frame(Buffer.from('x')), true));
    await sleep(50);
    caller.write(last);
    await sleep(20);
    caller.socket.destroy();
  }

  it.each([
    ['at once', brokenPing],
    ['after its goodbye', Buffer.concat([goawayFrame(0), brokenPing])],
  ])('%s, takes nothing with it: what its answers held is free for others', async (_when, last) => {
    const port = await serve(true);
    await breakIt(port, last);
    let said = await ask(port);
    for (let tries = 0; tries < 30 && said !== 'answered'; tries++) {
      await sleep(100);
      said = await ask(port);
    }
    expect(said).toBe('answered');
  });

  it('before it is answered, keeps no connection', async () => {
    const port = await serve(false);
    await breakIt(port, Buffer.concat([goawayFrame(0), brokenPing]));
  });

  it('while nothing is asked, keeps no connection, however long an idle one may stay', { timeout: 20_000 }, async () => {
    const port = await serve(false, 0);
    const broken = [
      brokenPing,
      h2Frame(4, 0, 0, Buffer.alloc(5)),
      h2Frame(0, 0, 5, Buffer.alloc(3)),
      h2Frame(1, 5, 1, Buffer.alloc(7, 0xff)),
      h2Frame(0, 0, 0, Buffer.alloc(20_000)),
      settingsFrame([4, 2 ** 31]),
    ].map((bytes) => ({ bytes, caller: new RawCaller(port).greet() }));
    const honest = new RawCaller(port).greet();
    await until(() => server.connections === broken.length + 1, 'open connections');
    await sleep(50);
    for (const { bytes, caller } of broken) {
      caller.write(bytes);
      await sleep(20);
      caller.socket.destroy();
    }
    await until(() => server.connections === 1, 'end of the broken connections', 10_000);
    expect(honest.isClosed).toBe(false);
    honest.socket.destroy();
  });
});
