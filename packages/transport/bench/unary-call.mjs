// CPU of one unary call, µs: the client alone, over both kinds of connections, and the server alone, with both kinds of HTTP/2 (in processes of
// their own).
//   npm run build && node packages/transport/bench/unary-call.mjs [calls] [outstanding]
import { fork } from 'node:child_process';
import { createCallHead, createLocalUpstream, createOnePort, createUpstream, UnaryCall } from '@inferflow/transport';
import { readCounts } from './read-counts.mjs';

const path = '/bench.Echo/Echo';
const sizes = [31, 2_000, 68_000];

class Bytes {
  constructor(bytes) {
    this.bytes = bytes;
  }
  get byteLength() {
    return this.bytes.length;
  }
  write(target, at) {
    target.set(this.bytes, at);
  }
}

if (process.argv[2] === 'server' && process.connected) {
  const server = createOnePort({
    http2: process.argv[3],
    hot: [{ path, maxMessageBytes: 1 << 24, handle: (call) => call.respond(new Bytes(call.message)) }],
    listener: (_request, response) => response.end(),
    maxInFlight: 1000,
  });
  const { port } = await server.listen(0, '127.0.0.1');
  let began = process.cpuUsage();
  process.on('message', () => {
    process.send(process.cpuUsage(began));
    began = process.cpuUsage();
  });
  process.once('disconnect', () => process.exit());
  process.send(port);
} else {
  const [calls, outstanding] = readCounts('unary-call.mjs', [
    { name: 'calls', standard: 20_000 },
    { name: 'outstanding', standard: 16, most: 1000 },
  ]);
  const head = createCallHead({ path, authority: 'bench' });
  const servers = [];
  const startServer = async (http2) => {
    const server = fork(new URL(import.meta.url), ['server', http2]);
    const answer = () => new Promise((resolve) => server.once('message', resolve));
    servers.push(server);
    const ask = () => {
      server.send('cpu');
      return answer();
    };
    return { port: await answer(), ask };
  };
  const [toNode, toLean] = [await startServer('node'), await startServer('lean')];
  const remote = (protocol, { port }) => createUpstream({ name: 'bench', protocol, host: '127.0.0.1', port });

  class BenchCall extends UnaryCall {
    constructor(bench) {
      super(head, performance.now() + 10_000);
      this.bench = bench;
    }
    get byteLength() {
      return this.bench.body.length;
    }
    write(target, at) {
      target.set(this.bench.body, at);
    }
    succeeded(message) {
      if (message.length !== this.bench.body.length) throw new Error('wrong answer');
      this.bench.ended();
    }
    failed(failure) {
      throw new Error(`${failure.reason}: ${failure.message}`);
    }
  }

  const measure = (upstream, size, count) =>
    new Promise((resolve) => {
      let left = count;
      let open = 0;
      const began = process.cpuUsage();
      const wall = performance.now();
      const bench = {
        body: new Uint8Array(size),
        ended() {
          open--;
          if (left > 0) next();
          else if (open === 0) {
            const { user, system } = process.cpuUsage(began);
            resolve({ cpu: (user + system) / count, perSecond: count / ((performance.now() - wall) / 1000) });
          }
        },
      };
      const next = () => {
        left--;
        open++;
        upstream.start(new BenchCall(bench));
      };
      for (let i = Math.min(outstanding, count); i > 0; i--) next();
    });

  const local = createLocalUpstream('bench', (_path, message) => message);
  const subjects = [
    ['lean to lean', remote('lean', toLean), toLean],
    ['lean to node:http2', remote('lean', toNode), toNode],
    ['node:http2 to lean', remote('node', toLean), toLean],
    ['node:http2 to node:http2', remote('node', toNode), toNode],
    ['local', local, null],
  ];
  for (const [name, upstream, server] of subjects)
    for (const size of sizes) {
      await measure(upstream, size, Math.ceil(calls / 4));
      await server?.ask();
      const { cpu, perSecond } = await measure(upstream, size, calls);
      const used = await server?.ask();
      const serverText = used === undefined ? '' : `, server ${((used.user + used.system) / calls).toFixed(1)} µs`;
      console.log(
        `${name.padEnd(25)} ${String(size).padStart(6)} B  client ${cpu.toFixed(1)} µs${serverText}, ${Math.round(perSecond)} calls/s`,
      );
    }
  for (const [, upstream] of subjects) await upstream.close(0);
  for (const server of servers) {
    server.disconnect();
    server.kill();
  }
}
