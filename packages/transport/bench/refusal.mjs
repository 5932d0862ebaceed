// CPU of one refused call at the server, µs: by node:http2 with nothing around it, by the default listener, and by the lean one. Overload is made
// of these: a server that answers one call in c µs and refuses one in r keeps (1 − n r/c) / (1 − r/c) of its answers at n times its load.
//   npm run build && node packages/transport/bench/refusal.mjs [message bytes] [calls] [outstanding]
import { fork } from 'node:child_process';
import http2 from 'node:http2';
import { createCallHead, createOnePort, createUpstream, GrpcCode, UnaryCall } from '@inferflow/transport';
import { readCounts } from './read-counts.mjs';

const path = '/bench.Echo/Echo';
const refusal = { code: GrpcCode.PERMISSION_DENIED, message: 'not now' };

/** As little as a server on node:http2 can do. */
function startBare() {
  const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(refusal.code), 'grpc-message': refusal.message };
  const server = http2.createServer({ settings: { initialWindowSize: 1 << 20 } });
  server.on('session', (session) => session.setLocalWindowSize(1 << 24));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond(head, { endStream: true, sendDate: false });
    stream.resume();
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address())));
}

function startOurs(kind) {
  const server = createOnePort({
    http2: kind,
    // Refused before it is read, so never handled.
    hot: [{ path, maxMessageBytes: 1 << 24, handle: (call) => call.respond(call.message) }],
    listener: (_request, response) => response.end(),
    unauthorized: () => refusal,
    maxInFlight: 1000,
  });
  return server.listen(0, '127.0.0.1');
}

if (process.argv[2] === 'server' && process.connected) {
  const kind = process.argv[3];
  const { port } = await (kind === 'bare' ? startBare() : startOurs(kind));
  let began = process.cpuUsage();
  process.on('message', () => {
    process.send(process.cpuUsage(began));
    began = process.cpuUsage();
  });
  process.once('disconnect', () => process.exit());
  process.send(port);
} else {
  const [size, calls, outstanding] = readCounts('refusal.mjs', [
    { name: 'message bytes', standard: 10_000, least: 0, most: 1 << 24 },
    { name: 'calls', standard: 60_000 },
    { name: 'outstanding', standard: 64, most: 1000 },
  ]);
  const head = createCallHead({ path, authority: 'bench' });
  const message = new Uint8Array(size);

  class RefusedCall extends UnaryCall {
    constructor(ended) {
      super(head, performance.now() + 10_000);
      this.ended = ended;
    }
    get byteLength() {
      return message.length;
    }
    write(target, at) {
      target.set(message, at);
    }
    succeeded() {
      throw new Error('the call was not refused');
    }
    failed(failure) {
      if (failure.code !== refusal.code) throw new Error(`${failure.reason}: ${failure.message}`);
      this.ended();
    }
  }

  const refuse = (upstream, count) =>
    new Promise((resolve) => {
      let [left, open] = [count, 0];
      const next = () => {
        left--;
        open++;
        upstream.start(new RefusedCall(ended));
      };
      const ended = () => {
        open--;
        if (left > 0) next();
        else if (open === 0) resolve();
      };
      for (let i = Math.min(outstanding, count); i > 0; i--) next();
    });

  for (const [name, kind] of [
    ['node:http2 alone', 'bare'],
    ['default listener', 'node'],
    ['lean listener', 'lean'],
  ]) {
    const server = fork(new URL(import.meta.url), ['server', kind]);
    server.once('exit', (code) => {
      if (code !== null) throw new Error(`the server ended with ${code}`);
    });
    const answer = () => new Promise((resolve) => server.once('message', resolve));
    const upstream = createUpstream({ name: 'bench', protocol: 'lean', host: '127.0.0.1', port: await answer() });
    const costs = [];
    for (let round = 0; round < 6; round++) {
      await refuse(upstream, Math.ceil(calls / 6));
      server.send('cpu');
      const { user, system } = await answer();
      costs.push((user + system) / Math.ceil(calls / 6));
    }
    // The first is cold.
    const [, ...warm] = costs;
    warm.sort((a, b) => a - b);
    console.log(`${name.padEnd(18)} ${size} B  ${warm[2].toFixed(1)} µs (${warm[0].toFixed(1)} to ${warm.at(-1).toFixed(1)})`);
    await upstream.close(0);
    server.removeAllListeners('exit');
    server.disconnect();
  }
}
