// node load.mjs <job>     The job is JSON, see `load` in servers.mjs: { port, path, messages, mode: 'closed' | 'open', amount, seconds, order?, answers?, workload?, seeds? }
// Load on a minimal HTTP/2 client (a few microseconds a request), 4 connections (1 for one outstanding request). Prints one JSON line.
// `messages` is a file of messages, sent in turn or in the `order` given, `answers` one of the answers to them: others are wrong, unless the
// workload says that they are right for the seed of their message (see right-answers.mjs). `amount` is requests outstanding, or requests a second. Open loop: Poisson arrivals, sent when
// they are due whatever is outstanding, latency from the due time. Requests are right answers; latencies are microseconds.
import { connect, requestHead } from './h2net.mjs';
import { closedLoop, openLoop } from './loops.mjs';
import { readMessages } from './messages.mjs';
import { RightAnswers } from './right-answers.mjs';
import { check, expected, WORKLOADS } from './workloads.mjs';

const job = JSON.parse(process.argv[2]);
const messages = readMessages(job.messages);
const order = job.order ?? messages.map((_, index) => index);
const answers = job.answers === undefined ? null : new RightAnswers(readMessages(job.answers), verify);
const head = requestHead(job.path, `127.0.0.1:${job.port}`);
const count = job.mode === 'closed' && job.amount === 1 ? 1 : 4;
const connections = await Promise.all(Array.from({ length: count }, () => connect(job.port, undefined, { onread: true, pooled: true })));
const latencies = [];
const expectedOf = [];
let sent = 0;
let failed = 0;
let bytes = 0;

function send(index, due, done) {
  const which = order[sent++ % order.length];
  connections[index % count].call(head, messages[which], (error, answer) => {
    const now = performance.now();
    if (error) failed++;
    else {
      latencies.push((now - due) * 1000);
      bytes += answer.length;
      answers?.take(which, answer);
    }
    done(error);
  });
}

function verify(index, answer) {
  const workload = WORKLOADS[job.workload];
  const seed = job.seeds[index];
  expectedOf[index] ??= expected(workload, seed);
  check(workload, 'predict', answer, expectedOf[index], seed);
}

/** The same arrivals in every load of a rate. */
let arrivalSeed = 12345;
const random = () => {
  arrivalSeed = (Math.imul(arrivalSeed, 1103515245) + 12345) >>> 0;
  return arrivalSeed / 4294967296;
};
const shared = { seconds: job.seconds, graceMs: 20_000, send };
const { elapsed, missed } =
  job.mode === 'closed'
    ? await closedLoop({ ...shared, outstanding: job.amount })
    : await openLoop({ ...shared, rate: job.amount, random });
const wrong = answers?.wrong() ?? 0;
const right = latencies.length - wrong;
latencies.sort((a, b) => a - b);
const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
console.log(
  JSON.stringify({
    requests: right,
    rps: right / elapsed,
    failed: failed + missed,
    wrong,
    bytes,
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
  }),
);
process.exit(0);
