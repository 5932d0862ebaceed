// CPU of one unary call, µs: the client alone, over both kinds of connections (the server runs in another process), and the server alone.
//   npm run build && node packages/transport/bench/unary-call.mjs [calls] [outstanding]
import { fork } from 'node:child_process';
import { createCallHead, createLocalUpstream, createOnePort, createUpstream, UnaryCall } from '@inferflow/transport';

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

if (process.argv[2] === 'server') {
  const server = createOnePort({
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
  process.send(port);
} else {
  const calls = Number(process.argv[2] ?? 20_000);
  const outstanding = Number(process.argv[3] ?? 16);
  const head = createCallHead({ path, authority: 'bench' });
  const server = fork(new URL(import.meta.url), ['server']);
  const ask = () =>
    new Promise((resolve) => {
      server.once('message', resolve);
      server.send('cpu');
    });
  const port = await new Promise((resolve) => server.once('message', resolve));
  const remote = (protocol) => createUpstream({ name: 'bench', protocol, host: '127.0.0.1', port });
  const lean = remote('lean');
  const node = remote('node');
  const local = createLocalUpstream('bench', (_path, message) => message);

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
      for (let i = 0; i < outstanding; i++) next();
    });

  for (const [name, upstream] of [
    ['remote, lean', lean],
    ['remote, node:http2', node],
    ['local', local],
  ])
    for (const size of sizes) {
      await measure(upstream, size, Math.ceil(calls / 4));
      await ask();
      const { cpu, perSecond } = await measure(upstream, size, calls);
      const serverCpu = await ask();
      const serverText = upstream !== local ? `, server ${((serverCpu.user + serverCpu.system) / calls).toFixed(1)} µs` : '';
      console.log(
        `${name.padEnd(20)} ${String(size).padStart(6)} B  client ${cpu.toFixed(1)} µs${serverText}, ${Math.round(perSecond)} calls/s`,
      );
    }
  await lean.close(0);
  await node.close(0);
  await local.close(0);
  server.disconnect();
  server.kill();
}
