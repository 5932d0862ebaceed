// node load.mjs <port> <path> <file of messages> closed <outstanding> <seconds> | open <requests per second> <seconds>
// Load on a minimal HTTP/2 client (a few microseconds a request), 4 connections (1 for one outstanding request). Prints one JSON line;
// latencies are microseconds. The file holds messages, each behind its length (u32 LE), sent in turn. Open loop: Poisson arrivals, sent when they are due whatever is outstanding, latency from the due time.
import { readFileSync } from 'node:fs';
import { connect, requestHead } from './h2net.mjs';

const [, , port, path, file, mode, amount, seconds] = process.argv;
const contents = readFileSync(file);
const messages = [];
for (let at = 0; at < contents.length; ) {
  const length = contents.readUInt32LE(at);
  messages.push(contents.subarray(at + 4, at + 4 + length));
  at += 4 + length;
}
const head = requestHead(path, `127.0.0.1:${port}`);
const count = mode === 'closed' && Number(amount) === 1 ? 1 : 4;
const connections = await Promise.all(
  Array.from({ length: count }, () => connect(Number(port), undefined, { onread: true, pooled: true })),
);
const latencies = [];
let failed = 0;
let bytes = 0;
let outstanding = 0;
let sent = 0;
const started = performance.now();
const end = started + Number(seconds) * 1000;

function send(index, due, then) {
  outstanding++;
  connections[index % count].call(head, messages[sent++ % messages.length], (error, answer) => {
    outstanding--;
    latencies.push((performance.now() - due) * 1000);
    if (error) failed++;
    else bytes += answer.length;
    then?.();
  });
}

await new Promise((resolve) => {
  const finished = () => outstanding === 0 && performance.now() >= end && resolve();
  if (mode === 'closed') {
    const next = (index) => {
      if (performance.now() < end) send(index, performance.now(), () => next(index));
      else finished();
    };
    for (let index = 0; index < Number(amount); index++) next(index);
  } else {
    let due = started;
    let index = 0;
    let seed = 12345;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed + 1) / 4294967297;
    };
    const tick = () => {
      const now = performance.now();
      while (due <= now && due < end) {
        send(index++, due, finished);
        due += (-Math.log(random()) * 1000) / Number(amount);
      }
      if (due < end) setTimeout(tick, 1);
      else finished();
    };
    tick();
  }
  setTimeout(resolve, Number(seconds) * 1000 + 20_000).unref();
});
const elapsed = (performance.now() - started) / 1000;
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(
  JSON.stringify({
    requests: latencies.length,
    rps: latencies.length / elapsed,
    failed: failed + outstanding,
    bytes,
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
  }),
);
process.exit(0);
