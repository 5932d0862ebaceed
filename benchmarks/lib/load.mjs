// node load.mjs <port> <path> <file of messages> closed <outstanding> <seconds> | open <requests per second> <seconds>
// Load on a minimal HTTP/2 client (a few microseconds a request), 4 connections (1 for one outstanding request). Prints one JSON line;
// latencies are microseconds. The file holds messages, each behind its length (u32 LE), sent in turn. Open loop: Poisson arrivals, sent when they are due whatever is outstanding, latency from the due time.
import { readFileSync } from 'node:fs';
import { connect, requestHead } from './h2net.mjs';
import { closedLoop, openLoop } from './loops.mjs';

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
let sent = 0;
let failed = 0;
let bytes = 0;

function send(index, due, done) {
  connections[index % count].call(head, messages[sent++ % messages.length], (error, answer) => {
    latencies.push((performance.now() - due) * 1000);
    if (error) failed++;
    else bytes += answer.length;
    done(error);
  });
}

/** The same arrivals in every load of a rate. */
let seed = 12345;
const random = () => {
  seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
  return seed / 4294967296;
};
const shared = { seconds: Number(seconds), graceMs: 20_000, send };
const { elapsed, missed } =
  mode === 'closed'
    ? await closedLoop({ ...shared, outstanding: Number(amount) })
    : await openLoop({ ...shared, rate: Number(amount), random });
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(
  JSON.stringify({
    requests: latencies.length,
    rps: latencies.length / elapsed,
    failed: failed + missed,
    bytes,
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
  }),
);
process.exit(0);
