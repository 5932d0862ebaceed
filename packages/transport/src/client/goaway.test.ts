import { expect, it } from 'vitest';
import { normal, PeerWorld } from '../testing/peer-world.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { answerFrames, type PeerSocket } from '../testing/raw-peer.js';
import { goawayFrame, h2Frame, resetFrame, settingsFrame, windowFrame } from '../testing/wire.js';

const world = new PeerWorld();

world.describeBoth('GOAWAY', () => {
  it.each([0, 1, 2, 3])(
    'between the frames of an answer (%s): what the peer processes is answered, the rest is repeated elsewhere',
    async (place) => {
      const upstream = world.connect();
      let said = false;
      world.peer.onRequest = (socket, streamId, message) => {
        if (said) return socket.index === 0 ? undefined : normal(socket, streamId, message);
        if (streamId < 3) return;
        said = true;
        const parts = (id: number) => {
          const { head, data, trailers } = answerFrames(id, Buffer.from(`from ${id}`));
          return [head, data, trailers];
        };
        const frames = parts(1);
        frames.splice(place, 0, goawayFrame(1));
        socket.write(...frames);
      };
      const [first, second, third] = await Promise.all([
        run(upstream, new ProbeCall('one')),
        run(upstream, new ProbeCall('two')),
        run(upstream, new ProbeCall('three')),
      ]);
      expect(first?.text).toBe('from 1');
      expect(second?.text).toBe('two');
      expect(third?.text).toBe('three');
      expect(second?.writes).toBe(2);
      await until(() => world.peer.connections[0]!.socket.readyState !== 'open', 'the old connection is left');
    },
  );

  it('in two steps, as servers do that leave gracefully', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      socket.write(goawayFrame(0x7fffffff), h2Frame(6, 0, 0, Buffer.alloc(8)));
      setTimeout(() => socket.write(goawayFrame(streamId), answerFrames(streamId, message).all), 20);
    };
    expect((await run(upstream, new ProbeCall('last one'))).text).toBe('last one');
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
    expect(world.peer.connections).toHaveLength(2);
  });

  it('with the last answer, while other calls wait for its place: they go to the next connection', async () => {
    const upstream = world.connect({ maxConnectionsPerAddress: 1 });
    world.peer.greeting = settingsFrame([3, 1]);
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 2) normal(socket, streamId, message);
      else socket.write(answerFrames(streamId, message).all, goawayFrame(streamId));
    };
    await upstream.ready(1000);
    const calls = await Promise.all(['A', 'B', 'C', 'D', 'E'].map((text) => run(upstream, new ProbeCall(text))));
    expect(calls.map((call) => call.text)).toEqual(['A', 'B', 'C', 'D', 'E']);
    // node:http2 tells of the freed place before it tells of the goodbye: a call may be put on the old connection once more.
    if (world.protocol === 'lean') expect(calls.map((call) => call.writes)).toEqual([1, 1, 1, 1, 1]);
    expect(world.peer.connections).toHaveLength(4);
  });

  it('when nobody waits: the next connection is opened for the next call', async () => {
    const upstream = world.connect({ maxConnectionsPerAddress: 1 });
    world.peer.greeting = settingsFrame([3, 1]);
    world.peer.onRequest = (socket, streamId, message) => {
      normal(socket, streamId, message);
      if (streamId === 3) socket.write(goawayFrame(streamId));
    };
    await Promise.all(['A', 'B'].map((text) => run(upstream, new ProbeCall(text))));
    await until(() => world.events.some(({ kind }) => kind === 'disconnected'), 'the connection is left');
    await sleep(20);
    expect(world.peer.connections).toHaveLength(1);
    expect((await run(upstream, new ProbeCall('C'))).text).toBe('C');
  });
});

world.describeLean('GOAWAY at each point', () => {
  const wide = Buffer.concat([settingsFrame([4, 0x7fffffff]), windowFrame(0, 0x7fff0000 - 65_535)]);

  it.each([
    ['before SETTINGS', Buffer.concat([goawayFrame(0), settingsFrame()])],
    ['with the greeting, no stream is taken', Buffer.concat([settingsFrame(), goawayFrame(0)])],
    ['with the greeting, later ones are', Buffer.concat([settingsFrame(), goawayFrame(0x7fffffff), goawayFrame(0)])],
    ['with the greeting, as an error', Buffer.concat([settingsFrame(), goawayFrame(0, 11)])],
  ])('%s: calls go to the next connection', async (_what, greeting) => {
    world.peer.greeting = greeting;
    const upstream = world.connect({ backoffMs: 10 });
    const first = run(upstream, new ProbeCall('first'));
    await until(() => world.peer.connections.length > 0, 'a connection');
    world.peer.greeting = settingsFrame();
    const call = await first;
    // A peer that cannot even greet may cost the calls that waited for it; nothing was sent, and nothing is answered twice.
    if (call.failure === null) expect(call.text).toBe('first');
    else expect(call.failure).toMatchObject({ reason: 'unavailable', code: 14 });
    expect(call.ends).toBe(1);
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
  });

  it.each([
    ['that includes its stream', 1, 'old'],
    ['that excludes its stream', 0, 'new'],
  ])('in the middle of a request, one %s', async (_what, lastStream, where) => {
    world.peer.opensWindows = false;
    world.peer.greeting = settingsFrame([4, 1000]);
    world.peer.onFrame = (socket, { type, streamId, payload }) => {
      if (type !== 0 || streamId !== 1 || payload.length !== 1000 || socket.index > 0) return;
      world.peer.opensWindows = true;
      world.peer.greeting = wide;
      socket.write(goawayFrame(lastStream), windowFrame(1, 100_000), windowFrame(0, 100_000));
    };
    world.peer.onRequest = (socket, streamId, message) =>
      socket.write(answerFrames(streamId, Buffer.from(`${socket.index === 0 ? 'old' : 'new'} ${message.length}`)).all);
    const upstream = world.connect();
    const call = await run(upstream, new ProbeCall(Buffer.alloc(50_000)));
    expect(call.text).toBe(`${where} 50000`);
    expect(call.writes).toBe(lastStream === 1 ? 1 : 2);
    await until(() => world.peer.connections[0]?.socket.readyState !== 'open', 'the old connection is left');
  });

  it('byte by byte, while answers of the old connection go on', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      if (streamId < 5) return;
      const bytes = Buffer.concat([goawayFrame(3), answerFrames(1, Buffer.from('one')).all, answerFrames(3, Buffer.from('two')).all]);
      let at = 0;
      const next = () => {
        socket.write(bytes.subarray(at, ++at));
        if (at < bytes.length) setImmediate(next);
      };
      next();
    };
    const calls = await Promise.all(['1', '2', '3'].map((text) => run(upstream, new ProbeCall(text))));
    expect(calls.map((call) => call.text)).toEqual(['one', 'two', '3']);
  });

  it('a second one takes back what the first had promised, never gives', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      if (streamId === 5) socket.write(goawayFrame(3), goawayFrame(1), goawayFrame(5), answerFrames(1, Buffer.from('kept')).all);
    };
    const calls = await Promise.all(['1', '2', '3'].map((text) => run(upstream, new ProbeCall(text))));
    expect(calls.map((call) => call.text)).toEqual(['kept', '2', '3']);
    expect(calls.map((call) => call.writes)).toEqual([1, 2, 2]);
  });

  it('within a header block, which breaks the connection', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      socket.write(h2Frame(1, 0, streamId), goawayFrame(streamId));
    };
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable' });
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('y'))).text).toBe('y');
  });
});

world.describeBoth('a proxy that renews its connections', () => {
  it.each([
    ['with GOAWAY after every 7 streams', (socket: PeerSocket) => socket.write(goawayFrame(13))],
    ['that hangs up after GOAWAY', (socket: PeerSocket) => socket.socket.end(goawayFrame(13))],
  ])('%s loses none of many calls in flight', async (_what, renew) => {
    const upstream = world.connect({ maxConnectionsPerAddress: 2 });
    world.peer.greeting = settingsFrame([3, 50]);
    world.peer.onRequest = (socket, streamId, message) => {
      if (streamId > 13) return;
      normal(socket, streamId, message);
      if (streamId === 13) renew(socket);
    };
    const calls = await Promise.all(Array.from({ length: 300 }, (_, i) => run(upstream, new ProbeCall(`${i}`, 20_000))));
    expect(calls.map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(calls.every((call) => call.ends === 1)).toBe(true);
    expect(world.peer.connections.length).toBeGreaterThanOrEqual(Math.floor(300 / 7));
    expect(Math.max(...calls.map((call) => call.writes))).toBeGreaterThan(4);
  });

  it('or refuses three streams of four, still loses none', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId, message) => {
      if (world.peer.requests % 4 === 0) normal(socket, streamId, message);
      else socket.write(resetFrame(streamId, 7));
    };
    const calls = await Promise.all(Array.from({ length: 30 }, (_, i) => run(upstream, new ProbeCall(`${i}`, 20_000))));
    expect(calls.map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(world.peer.connections).toHaveLength(1);
  });

  it('answers the calls that were refused before those that came later', async () => {
    const upstream = world.connect({ maxConnectionsPerAddress: 1 });
    const order: string[] = [];
    world.peer.greeting = settingsFrame([3, 4]);
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) {
        order.push(message.toString());
        normal(socket, streamId, message);
      } else if (streamId === 7) socket.write(goawayFrame(0));
    };
    await Promise.all(Array.from({ length: 12 }, (_, i) => run(upstream, new ProbeCall(`${i}`))));
    if (world.protocol === 'lean') expect(order).toEqual(Array.from({ length: 12 }, (_, i) => `${i}`));
    else expect(order.slice(0, 4).map(Number).sort()).toEqual([0, 1, 2, 3]);
  });
});
