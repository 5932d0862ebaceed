import { requestHead } from '../../benchmarks/lib/h2net.mjs';
import { Client, frame } from './lib/client.mjs';
import { floodFrames, garbageBytes } from './lib/hostile-bytes.mjs';
import { startLeanFakes } from './lib/lean-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { patience, patient } from './lib/patience.mjs';
import { EMPTY_SETTINGS, h2Frame, openSocket, openSockets, PREFACE } from './lib/raw-socket.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { echoConfig, freshRequest, modelConfig, PATH, requestMessage } from './lib/workload.mjs';

export const name = 'callers';
export const about = 'callers that cancel, stall, flood, talk nonsense or stay: memory bounded, nobody else notices';
export const short = (run) => shortCallers(run, false);
export const long = (run, minutes) => longCallers(run, minutes, false);

/** @param isLean against the lean listener */
export const shortCallers = (run, isLean) => suite(run, { cancelSeconds: 5, idle: isLean ? 2_000 : 10_000, loris: 100, rounds: 1, isLean });
export const longCallers = (run, minutes = 5, isLean) =>
  suite(run, { cancelSeconds: 30, idle: 10_000, loris: longLoris, rounds: Math.max(1, Math.round(minutes / 3)), isLean });

/** So many of each kind, and the patience to see all of them end. */
const longLoris = 300;

/** The hostile callers and the upstreams share a process and its time: nobody is to be lost, whatever that costs a call. */
const upstreamMs = patient(5000);

const cancelsPerSecond = 500 / patience;

const mib = (bytes) => `${(bytes / 1048576).toFixed(0)} MiB`;
const [major, minor] = process.versions.node.split('.').map(Number);
/** Before 22.11 Node ends a session after about 1000 resets in a burst, whatever is configured. */
const nodeHasResetLimit = major < 22 || (major === 22 && minor < 11);

async function suite(run, { cancelSeconds, idle, loris, rounds, isLean }) {
  const hasResetLimit = nodeHasResetLimit && !isLean;
  const fakes = await startLeanFakes(run);
  const server = await startServer(run, {
    env: {
      ...environmentFor(fakes),
      ...(isLean && { INFERFLOW_LEAN_LISTENER: '1' }),
      INFERFLOW_MAX_CONNECTIONS: 15_000,
      INFERFLOW_DEFAULT_DEADLINE_MS: 2 * upstreamMs,
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: upstreamMs,
      NUMERIX_CLIENT_V1_DEADLINE_MS: upstreamMs,
    },
    models: { soak: modelConfig(`127.0.0.1:${fakes.model.port}`, { deadlineMs: upstreamMs }), echo: echoConfig },
  });
  const warned = server.lines.some((line) => /cancel/i.test(line) && /"level":"warn"/.test(line));
  run.check(
    `Node ${process.versions.node}: the start-up log ${hasResetLimit ? 'warns of' : 'is silent about'} the reset limit`,
    warned === hasResetLimit,
  );
  // Everybody else: their answers are checked all the time.
  const others = startLoad(server.port, { rate: 60 / patience, connections: 4, repeats: 0, timeoutMs: 15_000 });
  await settle(others);
  const setting = { run, server, fakes, others, hasResetLimit };
  for (let round = 0; round < rounds; round++) {
    await cancels(setting, cancelSeconds);
    await tinyDeadlines(setting);
    await garbage(setting);
    await brokenFrames(setting);
    await largeBodies(setting);
    await bodiesWithoutEnd(setting);
    await floods(setting);
    await slowReaders(setting);
    await idleConnections(setting, idle);
    await halfOpen(setting, loris);
  }
  const tally = await others.stop();
  run.check('the last of the other callers', isClean(tally), tally.text);
  const isIdle = await until(async () => (await server.metrics()).sum('inferflow_requests_in_flight') === 0, 5000, 100);
  run.check('nothing is left in flight', isIdle);
  const bad = server.errors.filter((entry) => /uncaught|unhandled|unexpected/i.test(entry.msg ?? ''));
  run.check('no uncaught exception in the log', bad.length === 0, bad[0] && JSON.stringify(bad[0]).slice(0, 300));
}

const isClean = (tally) => tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0 && tally.notProcessed === 0;

/** Runs one kind of abuse, then looks at the others, at memory and at the process. */
async function under({ run, server, others }, title, growth, abuse) {
  const before = server.rss;
  let most = before;
  const watch = setInterval(() => {
    if (server.alive) most = Math.max(most, server.rss);
  }, 100);
  others.mark();
  try {
    await abuse();
    await sleep(200);
  } finally {
    clearInterval(watch);
  }
  const tally = others.mark();
  run.check(`${title}: nobody else notices`, server.alive && isClean(tally) && tally.answered > 0, tally.text);
  run.check(
    `${title}: memory bounded`,
    most - before < growth * 1048576,
    `RSS ${mib(before)}, at most ${mib(most)}, now ${mib(server.rss)}`,
  );
}

async function cancels(setting, seconds) {
  const { run, server, fakes, hasResetLimit } = setting;
  await under(setting, `cancels, ${cancelsPerSecond}/s on one connection`, 250, async () => {
    const client = new Client(server.port);
    const cancelledBefore = fakes.store.cancelled;
    const before = await server.metrics();
    fakes.store.delayMs = patient(40);
    const begun = performance.now();
    let sent = 0;
    let cancelled = 0;
    const results = [];
    while (performance.now() - begun < seconds * 1000) {
      const due = ((performance.now() - begun) / 1000) * cancelsPerSecond;
      while (sent < due) {
        sent++;
        const call = client.start(PATH, freshRequest(6).message);
        results.push(call.result);
        setTimeout(() => {
          if (call.stream !== null && !call.stream.closed) {
            call.stream.close(8);
            cancelled++;
          }
        }, patient(15));
      }
      await sleep(2);
    }
    await Promise.all(results);
    fakes.store.delayMs = 0;
    const upstream = fakes.store.cancelled - cancelledBefore;
    run.check(
      'cancels: upstream calls are given up',
      upstream > cancelled / 4,
      `${cancelled} cancels, ${upstream} upstream calls given up`,
    );
    const after = await server.metrics();
    const resets = after.sum('inferflow_session_reset_total') - before.sum('inferflow_session_reset_total');
    if (hasResetLimit)
      run.check(
        'cancels: sessions ended by this Node’s limit are counted',
        client.sessions === 1 || resets > 0,
        `${client.sessions} connections, ${resets} counted`,
      );
    else run.check('cancels: the one connection holds', client.sessions === 1, `${client.sessions} connections`);
    client.close();
  });
}

async function tinyDeadlines(setting) {
  const { run, server } = setting;
  await under(setting, 'deadlines of 1 ms', 150, async () => {
    const client = new Client(server.port);
    const codes = new Map();
    let slowest = 0;
    for (let round = 0; round < 25; round++) {
      const begun = performance.now();
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.unary(PATH, freshRequest(6).message, { deadlineMs: 1 })));
      slowest = Math.max(slowest, performance.now() - begun);
      for (const { code } of answers) codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    const text = [...codes].map(([code, count]) => `${count}× ${code}`).join(', ');
    run.check(
      'deadlines of 1 ms: DEADLINE_EXCEEDED, or told to come later, at once',
      [...codes.keys()].every((code) => code === 4 || code === 8 || code === 0) && codes.has(4) && slowest < patient(3000),
      `${text}, slowest round ${slowest.toFixed(0)} ms`,
    );
    client.close();
  });
}

/** Bytes that are no request in any protocol. */
async function garbage(setting) {
  const { run, server } = setting;
  await under(setting, 'garbage on the port', 150, async () => {
    const open = [];
    for (const bytes of Object.values(garbageBytes))
      for (let turn = 0; turn < 20; turn++) {
        const socket = await openSocket(server.port);
        socket.write(bytes);
        if (turn % 4 === 3) socket.end();
        open.push(socket);
      }
    await sleep(1000);
    const left = open.filter((socket) => !socket.isClosed).length;
    run.note(`${Object.keys(garbageBytes).length} kinds of garbage on ${open.length} connections, ${left} still open after a second`);
    for (const socket of open) socket.destroy();
  });
}

/** gRPC bodies that are not what they say. */
async function brokenFrames(setting) {
  const { run, server } = setting;
  const message = freshRequest(6).message;
  const cut = frame(message).subarray(0, 40);
  const announce = (length) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, message]);
  };
  const compressed = Buffer.from(frame(message));
  compressed[0] = 1;
  const kinds = {
    'a truncated frame': [cut, [3, 13]],
    'four bytes': [Buffer.from([0, 0, 0, 1]), [3, 13]],
    'no body': [Buffer.alloc(0), [3, 13, 12]],
    'a length of 4 GiB': [announce(0xffffffff), [8]],
    'two messages': [Buffer.concat([frame(message), frame(message)]), [3, 13, 12]],
    'a compressed flag without compression': [compressed, [3, 13, 12]],
    'garbage in a frame': [frame(Buffer.alloc(300, 0xfe)), [3]],
    'a request cut in the middle': [frame(message.subarray(0, message.length - 7)), [3]],
  };
  await under(setting, 'broken gRPC frames', 100, async () => {
    const client = new Client(server.port);
    for (const [title, [bytes, codes]] of Object.entries(kinds)) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.start(PATH, bytes, { raw: true, timeoutMs: 3000 }).result));
      const wrong = answers.find((answer) => !codes.includes(answer.code));
      run.check(
        `${title}: a typed error`,
        wrong === undefined,
        `code ${answers[0].code}: ${answers[0].message || '(no text)'}${wrong ? `; also ${wrong.code} ${wrong.message}` : ''}`,
      );
    }
    run.check(
      '… and the connection goes on',
      client.sessions === 1 && (await client.unary(PATH, message)).code === 0,
      `${client.sessions} connections`,
    );
    client.close();
  });
}

async function largeBodies(setting) {
  const { run, server } = setting;
  const large = requestMessage('soak', 'u1', ['x'.repeat(5 * 1024 * 1024)]);
  await under(setting, '5 MiB bodies, 100 at once', 500, async () => {
    const clients = Array.from({ length: 10 }, () => new Client(server.port));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => clients[index % 10].unary(PATH, large)));
    const codes = new Set(answers.map((answer) => answer.code));
    run.check('5 MiB bodies: RESOURCE_EXHAUSTED', codes.size === 1 && codes.has(8), `codes ${[...codes]}: ${answers[0].message}`);
    for (const client of clients) client.close();
  });
}

/** As much as one request may bring, but for its last byte, on many connections. */
async function bodiesWithoutEnd(setting) {
  const { run, server } = setting;
  const length = 4 * 1024 * 1024;
  const head = `POST /Predict/InferPointWise HTTP/1.1\r\nHost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head, 'latin1'), Buffer.alloc(length - 1, ' ')]);
  await under(setting, 'JSON without an end', 800, async () => {
    const sockets = await openSockets(server.port, 80);
    const refused = new Set();
    for (const socket of sockets) {
      socket.once('data', (bytes) => {
        if (bytes.includes('HTTP/1.1 429')) refused.add(socket);
      });
      // All write the same bytes: a copy for each would be most of what this process does.
      socket.write(body);
    }
    const areRefused = await until(() => refused.size >= 40, 10_000, 100);
    run.check('JSON without an end: the server holds what it may, and refuses the others', areRefused, `${refused.size} refused`);
    for (const socket of sockets) socket.destroy();
  });
}

/** Frames that cost the sender nothing. */
async function floods(setting) {
  const { run, server } = setting;
  await under(setting, 'frame floods', 250, async () => {
    for (const [title, bytes] of Object.entries(floodFrames)) {
      const socket = await openSocket(server.port, { read: title !== 'PING flood' });
      const opening = title.startsWith('CONTINUATION') ? h2Frame(1, 0, 1, Buffer.from([0x83])) : Buffer.alloc(0);
      socket.write(Buffer.concat([PREFACE, EMPTY_SETTINGS, opening]));
      const many = Buffer.concat(Array.from({ length: 1000 }, () => bytes));
      const end = performance.now() + 400;
      let sent = 0;
      while (!socket.isClosed && performance.now() < end) {
        const isRoom = socket.write(many);
        sent += 1000;
        if (!isRoom) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), socket.hasClosed, sleep(50)]);
        await sleep(1);
      }
      run.note(`${title}: ${sent} frames, connection ${socket.isClosed ? 'closed' : 'open'}`);
      socket.destroy();
    }
  });
}

/** Ask for much, allow everything to be sent, and read nothing of it. */
async function slowReaders(setting) {
  const { run, server } = setting;
  const itemIds = Array.from({ length: 200 }, (_, index) => `${index}-${'x'.repeat(4000)}`);
  const body = frame(requestMessage('echo', 'u1', itemIds));
  const head = requestHead(PATH, `127.0.0.1:${server.port}`);
  const windows = Buffer.concat([
    h2Frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 255, 255, 255])),
    h2Frame(8, 0, 0, Buffer.from([0x3f, 0, 0, 0])),
  ]);
  await under(setting, 'slow readers', 800, async () => {
    const sockets = await openSockets(server.port, 6, { read: false });
    for (const socket of sockets) {
      socket.pause();
      socket.write(Buffer.concat([PREFACE, windows]));
    }
    for (let call = 0; call < 100; call++) {
      for (const socket of sockets) {
        if (socket.isClosed) continue;
        const id = 2 * call + 1;
        const parts = [h2Frame(1, 4, id, head)];
        for (let at = 0; at < body.length; at += 16_384)
          parts.push(h2Frame(0, at + 16_384 >= body.length ? 1 : 0, id, body.subarray(at, at + 16_384)));
        socket.write(Buffer.concat(parts));
      }
      await sleep(50);
    }
    await sleep(1500);
    run.note(`${sockets.filter((socket) => !socket.isClosed).length} of ${sockets.length} slow readers still connected`);
    for (const socket of sockets) socket.destroy();
  });
  const refused = (await server.metrics()).find('inferflow_requests_refused_total').map(({ labels, value }) => `${labels.reason} ${value}`);
  run.note(`refused until now: ${refused.join(', ') || 'nothing'}`);
}

/** Ten thousand connections that say hello and nothing more. */
async function idleConnections(setting, count) {
  const { run, server } = setting;
  await under(setting, `${count} idle connections`, 900, async () => {
    // With Node 20 connections that broke HTTP/2 in ways that Node is not told of stay until they are idle for long, although their callers have gone.
    const open = async () => (await server.metrics()).sum('inferflow_connections', { protocol: 'h2' });
    const before = await open();
    const sockets = await openSockets(server.port, count);
    for (const socket of sockets) socket.write(Buffer.concat([PREFACE, EMPTY_SETTINGS]));
    await sleep(2000);
    const held = sockets.filter((socket) => !socket.isClosed).length;
    run.check(`${count} idle connections are held`, held === count, `${held} open, gauge ${await open()}, RSS ${mib(server.rss)}`);
    for (const socket of sockets) socket.destroy();
    const isGone = await until(async () => (await open()) < before + 50, 10_000, 100);
    run.check('… and forgotten when they go', isGone, `RSS ${mib(server.rss)}`);
  });
}

/** Connections that begin and never go on: nothing said, half a header, half a body, a byte now and then. */
async function halfOpen(setting, count) {
  const { run, server } = setting;
  await under(setting, 'half-open connections and slow-loris', 300, async () => {
    const silent = await openSockets(server.port, count);
    const halfPreface = await openSockets(server.port, count);
    for (const socket of halfPreface) socket.write(PREFACE.subarray(0, 10));
    const loris = await openSockets(server.port, count);
    for (const socket of loris) socket.write('POST /Predict/InferPointWise HTTP/1.1\r\nHost: x\r\n');
    const halfBody = await openSockets(server.port, count);
    for (const socket of halfBody)
      socket.write(
        'POST /Predict/InferPointWise HTTP/1.1\r\nHost: x\r\ncontent-type: application/proto\r\ncontent-length: 1000\r\n\r\nabc',
      );
    const client = new Client(server.port);
    const openBodies = Array.from({ length: count }, () => {
      const stream = client.session.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers' });
      stream.on('error', () => {});
      stream.write(frame(freshRequest(6).message).subarray(0, 20));
      return stream;
    });
    const tick = setInterval(() => {
      for (const socket of loris) if (!socket.isClosed) socket.write('a: b\r\n');
      for (const socket of halfBody) if (!socket.isClosed) socket.write('x');
    }, 500);
    const gone = (sockets) => sockets.every((socket) => socket.isClosed);
    const areGone = await until(() => gone(silent) && gone(halfPreface) && gone(loris), 20_000, 100);
    clearInterval(tick);
    run.check(
      'silent, half-preface and slow-header connections are closed',
      areGone,
      [silent, halfPreface, loris].map((sockets) => `${sockets.filter((socket) => !socket.isClosed).length} left`).join(', '),
    );
    run.note(
      `half a body over HTTP/1.1: ${halfBody.filter((socket) => !socket.isClosed).length} of ${count} open; half a gRPC message: ${openBodies.filter((stream) => !stream.closed).length} open (both end after 30 s)`,
    );
    if (count >= longLoris) {
      const areEnded = await until(() => gone(halfBody) && openBodies.every((stream) => stream.closed), 45_000, 200);
      run.check('half bodies are given up after 30 s', areEnded);
    }
    for (const socket of halfBody) socket.destroy();
    client.close();
  });
}
