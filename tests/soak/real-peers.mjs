import { execFile, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { delimiter, join } from 'node:path';
import { messageBuffers } from '../../packages/transport/dist/buffer-pool.js';
import { slabs } from '../../packages/transport/dist/http2/out-slab.js';
import { createCallHead, createOnePort, createUpstream } from '../../packages/transport/dist/index.js';
import { freePort } from '../../scripts/free-ports.mjs';
import { PeerCall } from './lib/peer-call.mjs';
import { findPythonGrpc } from './lib/python-grpc.mjs';
import { until } from './lib/suite-run.mjs';

export const name = 'real-peers';
export const about =
  'upstream calls to grpc-go, to gRPC C-core, and through nginx with and without TLS; grpc-go calls the lean listener: needs go (and its modules), Python and nginx on the PATH; long form only';
export const short = (run) => run.note('long form only: it builds a Go program');
export const long = (run) => suite(run, 120);

const goPeer = join(import.meta.dirname, 'lib/go-peer');
const testdata = join(import.meta.dirname, '../../packages/transport/src/testdata');
const testFile = (name) => readFileSync(join(testdata, name));

async function suite(run, rounds) {
  const go = findTool('go') ?? findTool('/usr/local/go/bin/go');
  if (go === null) return run.note('not tried: no go on the PATH');
  const directory = run.directory();
  const binary = join(directory, 'peer');
  execFileSync(go, ['build', '-o', binary, '.'], { cwd: goPeer, stdio: ['ignore', 'inherit', 'inherit'] });
  const port = await freePort();
  await startProcess(run, binary, [`127.0.0.1:${port}`], port);
  await tryPeer(run, 'grpc-go', port, null, rounds);
  await tryCaller(run, 'grpc-go calls', binary, null, rounds * 50);
  await tryCaller(run, 'grpc-go calls over TLS', binary, { cert: testFile('server.pem'), key: testFile('server.key') }, rounds * 50);

  await tryCore(run, rounds);

  const nginx = findTool(process.env.SOAK_NGINX ?? 'nginx');
  if (nginx === null) return run.note('nginx not tried: not on the PATH, and SOAK_NGINX names none');
  const [plain, secure] = [await freePort(), await freePort()];
  writeFileSync(join(directory, 'nginx.conf'), nginxConfig(directory, port, plain, secure));
  mkdirSync(join(directory, 'logs'));
  await startProcess(run, nginx, ['-p', directory, '-c', join(directory, 'nginx.conf')], plain);
  await tryPeer(run, 'nginx', plain, null, rounds);
  await tryPeer(run, 'nginx over TLS', secure, { ca: testFile('ca.pem') }, rounds);
}

/** gRPC C-core, by way of Python. */
async function tryCore(run, rounds) {
  const { python, why } = await findPythonGrpc();
  if (python === null) return run.note(`!!!!! SKIPPED: gRPC C-core was not tried: ${why.trim().split('\n').at(-1)}`);
  const port = await freePort();
  await startProcess(run, python, [join(import.meta.dirname, 'lib/c_core_peer.py'), String(port)], port);
  await tryPeer(run, 'gRPC C-core', port, null, rounds);
}

/** grpc-go against the lean listener, whose connections are asked to leave all the time. */
async function tryCaller(run, title, binary, tls, count) {
  const seen = { cancelled: 0, aged: 0, badHeaders: 0, refused: {} };
  const server = createOnePort({
    http2: 'lean',
    ...(tls !== null && { tls }),
    hot: [{ path: '/soak.Echo/Echo', maxMessageBytes: 1 << 26, handle: (call) => answerCaller(call, seen) }],
    listener: (_request, response) => response.end(),
    maxInFlight: 10_000,
    maxConnectionAgeMs: 300,
    onRefused: (reason) => {
      seen.refused[reason] = (seen.refused[reason] ?? 0) + 1;
    },
    onSession: ({ kind }) => {
      if (kind === 'aged') seen.aged++;
    },
  });
  const { port } = await server.listen(0, '127.0.0.1');
  const tally = await new Promise((resolve) => {
    const args = ['call', `localhost:${port}`, String(count), ...(tls === null ? [] : [join(testdata, 'ca.pem')])];
    execFile(binary, args, { timeout: 300_000 }, (error, out) => resolve(error === null ? JSON.parse(out) : { failed: error.message }));
  });
  const kinds = ['ok', 'status', 'deadline', 'cancelled', 'unimplemented'];
  const isRight = Object.keys(tally).every((kind) => kinds.includes(kind)) && kinds.every((kind) => tally[kind] > 0);
  run.check(`${title}: every call ends as it should`, isRight, JSON.stringify(tally));
  run.check(
    `${title}: metadata came as it was sent, cancelled calls were told so, connections left`,
    seen.badHeaders === 0 && seen.cancelled > 0 && seen.aged > 0,
    JSON.stringify(seen),
  );
  await server.drain(2000);
  run.check(`${title}: nothing is left`, await until(() => messageBuffers.taken === 0 && slabs.taken === 0 && server.inFlight === 0, 3000));
}

/** As the peer in Go: reversed; a message of three bytes asks for a status, one of seven waits until its caller leaves. */
function answerCaller(call, seen) {
  const { message } = call;
  const isSame = call.header('x-length') === String(message.length) && call.headerValues('x-twice').join() === 'a,b';
  if (!isSame || call.header('x-data-bin') !== 'AP8') seen.badHeaders++;
  if (message.length === 3) call.fail({ code: message[0] % 17, message: `ärger ${message[1]}` });
  else if (message.length === 7) {
    const scopeEnded = (reason) => {
      if (reason === 'cancelled') seen.cancelled++;
    };
    call.scope.attach({ scopePrevious: null, scopeNext: null, scopeEnded });
  } else {
    const reversed = Buffer.from(message).reverse();
    call.respond({ byteLength: reversed.length, write: (target, at) => target.set(reversed, at) });
  }
}

async function tryPeer(run, title, port, tls, rounds) {
  for (const protocol of ['lean', 'node']) {
    const upstream = createUpstream({ name: 'peer', protocol, host: '127.0.0.1', port, tls });
    const tally = { ok: 0, status: 0, deadline: 0, cancelled: 0 };
    const wrong = {};
    let number = 0;
    for (let round = 0; round < rounds; round++) {
      const head = createCallHead({
        path: '/soak.Echo/Echo',
        authority: `localhost:${port}`,
        acceptGzip: round % 2 === 0,
        metadata: [['x-token', 'abc']],
      });
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const outcome = await callOnce(upstream, head, ++number);
          if (outcome in tally) tally[outcome]++;
          else wrong[outcome] = (wrong[outcome] ?? 0) + 1;
        }),
      );
    }
    await upstream.close(1000);
    const isRight = Object.keys(wrong).length === 0 && Object.values(tally).every((count) => count > 0);
    run.check(`${title}, ${protocol}: every call ends as it should`, isRight, `${JSON.stringify(tally)} ${JSON.stringify(wrong)}`);
    run.check(`${title}, ${protocol}: the pools have everything back`, messageBuffers.taken === 0 && slabs.taken === 0);
  }
}

const sizes = [0, 5, 100, 5000, 20_000, 70_000, 300_000];

/** How one call ended: a key of the tally when that is right. */
function callOnce(upstream, head, number) {
  const kind = number % 10;
  const size = kind === 0 ? 3 : kind === 1 ? 7 : number % 100 === 2 ? 3_000_000 : sizes[(number >> 3) % sizes.length];
  const body = Buffer.alloc(size, `${number} `);
  if (kind === 0) body[0] = 1 + ((number / 10) % 16);
  return new Promise((resolve) => {
    const call = new PeerCall(head, body, kind === 1 ? 30 : 20_000, (answer, failure) => {
      if (failure === null) resolve(kind > 1 && Buffer.compare(answer, Buffer.from(body).reverse()) === 0 ? 'ok' : 'a wrong answer');
      else if (kind === 0 && failure.code === body[0] % 17 && failure.message === `ärger ${body[1]}`) resolve('status');
      else if (kind === 1 && failure.code === 4) resolve('deadline');
      else resolve(`${failure.reason} ${failure.code} ${failure.message}`);
    });
    upstream.start(call);
    if (kind === 2 && number % 3 === 0)
      setTimeout(() => {
        if (call.upstream === null) return;
        upstream.cancel(call);
        resolve('cancelled');
      }, 2);
  });
}

async function startProcess(run, command, args, port) {
  const child = spawn(command, args, { stdio: 'ignore' });
  run.defer(() => child.kill('SIGKILL'));
  const isUp = await until(() => canConnect(port), 10_000, 50);
  if (!isUp) throw new Error(`${command} does not listen on ${port}`);
}

const canConnect = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

/** The path of a command, `null` where there is none. */
function findTool(command) {
  const places = command.includes('/') ? [command] : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, command));
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return place;
    } catch {
      // Not here.
    }
  }
  return null;
}

function nginxConfig(directory, target, plain, secure) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${directory}/${each};`).join(' ');
  const location = `location / { grpc_pass grpc://127.0.0.1:${target}; grpc_read_timeout 5s; }`;
  return `daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/error.log warn;
events { worker_connections 1000; }
http {
  access_log off; ${temporary} keepalive_requests 500; client_max_body_size 100m; http2_max_concurrent_streams 64;
  server { listen 127.0.0.1:${plain} http2; ${location} }
  server { listen 127.0.0.1:${secure} ssl http2; ssl_certificate ${testdata}/server.pem; ssl_certificate_key ${testdata}/server.key; ${location} }
}
`;
}
