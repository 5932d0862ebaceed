import { fork } from 'node:child_process';
import { join } from 'node:path';
import { messageBuffers } from '../../packages/transport/dist/buffer-pool.js';
import { slabs } from '../../packages/transport/dist/http2/out-slab.js';
import { CallScope, createCallHead, createUpstream, deadlines, UnaryCall } from '../../packages/transport/dist/index.js';
import { freePort } from '../../scripts/free-ports.mjs';
import { sleep, until } from './lib/suite-run.mjs';

export const name = 'lean-client';
export const about =
  'upstream calls through cancels, deadlines, resets and killed servers: each ends once, none gets the answer of another';
export const short = (run) => suite(run, 20_000, 1);
/** A million calls; with minutes, as many as fit. */
export const long = (run, minutes) => suite(run, minutes === undefined ? 1_000_000 : Number.POSITIVE_INFINITY, 2, minutes);

const hosts = ['127.0.0.1', '127.0.0.2'];
const maxInFlight = 400;

async function suite(run, count, seed, minutes = Number.POSITIVE_INFINITY) {
  const next = random(seed);
  const port = await freePort(hosts);
  const peers = hosts.map((host, i) => new Peer(host, port, seed * 100 + i));
  run.defer(() => {
    for (const peer of peers) peer.kill();
  });
  await Promise.all(peers.map((peer) => peer.start()));
  const upstream = createUpstream({
    name: 'soak',
    protocol: 'lean',
    host: 'soak.test',
    port,
    lookup: (_host, callback) =>
      setImmediate(
        callback,
        null,
        hosts.map((address) => ({ address, family: 4 })),
      ),
    backoffMs: 5,
    maxBackoffMs: 30,
    setAsideMs: 30,
    keepaliveTimeoutMs: 300,
    maxInFlight,
  });
  await upstream.ready(5000);
  const restarts = killAndRestart(peers, upstream, next);
  const books = new Books();
  const began = performance.now();
  let started = 0;
  let rssAfterWarmUp = 0;
  while (started < count && performance.now() - began < minutes * 60_000) {
    for (let i = 0; i < 50 && started < count; i++) startCall(upstream, books, next, ++started);
    await until(() => books.open < maxInFlight - 60, 30_000, 1);
    if (started === Math.min(200_000, count)) rssAfterWarmUp = process.memoryUsage.rss();
    if (started % 100_000 === 0) run.note(`${started} calls, ${books.text}`);
  }
  const isIdle = await until(() => upstream.inFlight === 0 && books.open === 0, 10_000);
  run.check('every call ended', isIdle && books.open === 0, `${upstream.inFlight} in flight, ${books.open} open`);
  restarts.stop();
  await restarts.ended;
  const seconds = (performance.now() - began) / 1000;
  await sleep(50);
  run.check(
    'each exactly once, and silently when it was cancelled',
    books.surplus === 0,
    `${books.surplus} ended more than once or after a cancel`,
  );
  run.check('none inside start', books.insideStart === 0);
  run.check('no answer went to another caller, and all are right', books.wrong === 0, `${books.wrong} wrong`);
  run.check('most calls were answered', books.counts.ok > started * 0.6, books.text);
  run.check(
    'some met cancels, deadlines, kills',
    ['cancelled', 'deadline', 'unavailable'].every((what) => books.counts[what] > 0),
  );
  await upstream.close(0);
  run.check('nothing is held', upstream.inFlight === 0 && upstream.heldBytes === 0 && deadlines.size === 0);
  run.check(
    'the pools have everything back',
    messageBuffers.taken === 0 && slabs.taken === 0,
    `${messageBuffers.taken} buffers, ${slabs.taken} slabs out`,
  );
  const grown = process.memoryUsage.rss() - rssAfterWarmUp;
  if (started > 500_000)
    run.check('memory is flat', grown < 60e6, `${(grown / 1e6).toFixed(0)} MB more than after the first 200 000 calls`);
  run.note(`${started} calls in ${seconds.toFixed(1)} s, ${restarts.kills} kills, RSS ${(process.memoryUsage.rss() / 1e6).toFixed(0)} MB`);
}

/** What became of the calls. */
class Books {
  open = 0;
  surplus = 0;
  insideStart = 0;
  wrong = 0;
  counts = { ok: 0 };

  end(outcome) {
    this.open--;
    this.counts[outcome] = (this.counts[outcome] ?? 0) + 1;
  }

  get text() {
    return Object.entries(this.counts)
      .map(([what, count]) => `${what} ${count}`)
      .join(', ');
  }
}

const head = createCallHead({ path: '/soak.Echo/Echo', authority: 'soak', metadata: [['x-caller', 'soak']] });

/** Its message begins with its number, and so does its answer. */
class SoakCall extends UnaryCall {
  isInsideStart = true;
  hasEnded = false;

  constructor(books, number, size, timeoutMs) {
    super(head, performance.now() + timeoutMs);
    this.books = books;
    this.number = number;
    this.byteLength = size;
  }

  write(target, at) {
    target.fill(this.number & 0xff, at, at + this.byteLength);
    for (let i = 0; i < 4; i++) target[at + i] = this.number >>> (8 * i);
  }

  succeeded(message) {
    const last = message[message.length - 1];
    const number = message[0] | (message[1] << 8) | (message[2] << 16) | (message[3] << 24);
    const isRight = message.length === this.byteLength && number === this.number && (message.length === 4 || last === (this.number & 0xff));
    if (!isRight) this.books.wrong++;
    this.ended('ok');
  }

  failed(failure) {
    this.ended(failure.reason);
  }

  ended(outcome) {
    if (this.isInsideStart) this.books.insideStart++;
    if (this.hasEnded) this.books.surplus++;
    else this.books.end(outcome);
    this.hasEnded = true;
  }

  cancelled() {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.books.end('cancelled');
  }
}
// Declared by the base class as a getter; here it is a plain field.
Object.defineProperty(SoakCall.prototype, 'byteLength', { value: 0, writable: true });

function startCall(upstream, books, next, number) {
  const dice = next();
  const size =
    dice < 0.01 ? 100_000 + Math.floor(next() * 400_000) : dice < 0.1 ? Math.floor(next() * 40_000) + 4 : Math.floor(next() * 400) + 4;
  const call = new SoakCall(books, number, size, next() < 0.1 ? next() * 10 : 2000);
  books.open++;
  const scope = next() < 0.2 ? new CallScope() : null;
  scope?.attach(call);
  upstream.start(call);
  call.isInsideStart = false;
  const cancel = () => {
    if (call.hasEnded) return;
    call.cancelled();
    if (scope === null) upstream.cancel(call);
    else scope.end('cancelled');
  };
  const when = next();
  if (when < 0.03) cancel();
  else if (when < 0.06) setImmediate(cancel);
  else if (when < 0.1) setTimeout(cancel, next() * 10);
}

/** A server in a process of its own, so that killing it looks as it does in life. */
class Peer {
  #host;
  #port;
  #seed;
  #child = null;

  constructor(host, port, seed) {
    this.#host = host;
    this.#port = port;
    this.#seed = seed;
  }

  async start() {
    for (;;) {
      const child = fork(join(import.meta.dirname, 'lib/lean-peer.mjs'), [this.#host, String(this.#port), String(this.#seed++)]);
      this.#child = child;
      const isUp = await new Promise((resolve) => {
        child.once('message', () => resolve(true));
        child.once('exit', () => resolve(false));
      });
      if (isUp) return;
      // Its port is taken for the moment.
      await sleep(50);
    }
  }

  kill() {
    this.#child?.kill('SIGKILL');
  }
}

/** One at a time, and only while both are up: somebody can always answer. */
function killAndRestart(peers, upstream, next) {
  let isStopped = false;
  const state = {
    kills: 0,
    stop: () => {
      isStopped = true;
    },
    ended: (async () => {
      while (!isStopped) {
        await sleep(100 + next() * 300);
        if (isStopped) return;
        const peer = peers[Math.floor(next() * peers.length)];
        peer.kill();
        state.kills++;
        await sleep(next() * 40);
        await peer.start();
        await until(() => isStopped || upstream.addressesUp === peers.length, 5000);
      }
    })(),
  };
  return state;
}

function random(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}
