// node paced-load.mjs <JSON>   (child of lib/overload-world.mjs)
// Load that costs its machine little and checks every answer: closed loop (`outstanding`), or open loop (`rate`, Poisson arrivals, sent when
// they are due whatever is outstanding). It behaves like a gRPC client: sends `grpc-timeout`, and cancels what is not answered by then.
// Prints one JSON line; see `result` at the end.
import { readFileSync } from 'node:fs';
import { connect, requestHead } from '../../../benchmarks/lib/h2net.mjs';
import { closedLoop, openLoop } from '../../../benchmarks/lib/loops.mjs';
import { all } from '../../../benchmarks/lib/pb.mjs';

const options = JSON.parse(process.argv[2]);
const { port, path, connections: count, outstanding: wanted = 0, rate = 0, deadlineMs = 0, seconds } = options;
const message = readFileSync(options.message);
const right = readFileSync(options.answer);
const rightRows = all(right, 2);
const head = requestHead(path, `127.0.0.1:${port}`, deadlineMs > 0 ? [['grpc-timeout', `${deadlineMs}m`]] : []);
const connections = await Promise.all(Array.from({ length: count }, () => connect(port, undefined, { onread: true, pooled: true })));

const result = {
  sent: 0,
  /** Answered OK, every row right, within the deadline. */
  good: 0,
  /** Answered OK after the deadline, or not at all by then. */
  late: 0,
  expired: 0,
  /** Rows other than the right ones, with and without a row error. */
  rowsWithError: 0,
  rowsWrong: 0,
  /** gRPC code → how many, and how many of them without a hint when to come again. */
  refused: {},
  unhinted: {},
  examples: {},
  missed: 0,
};
const accepted = [];
const refusedAfter = [];
const lags = [];
/** In the order of their deadlines. */
let pending = [];
let firstPending = 0;

function judge(answer) {
  if (right.equals(answer)) return true;
  const rows = all(answer, 2);
  let isGood = rows.length === rightRows.length;
  if (!isGood) result.rowsWrong += rightRows.length;
  for (let index = 0; isGood && index < rows.length; index++) {
    if (rows[index].equals(rightRows[index])) continue;
    if (all(rows[index], 1).some((error) => error.length > 0)) result.rowsWithError++;
    else result.rowsWrong++;
  }
  isGood &&= rows.every((row, index) => row.equals(rightRows[index]));
  return isGood;
}

function send(index, _due, done) {
  const started = performance.now();
  const call = { expires: started + deadlineMs, isOver: false, stream: null, connection: connections[index % count], done };
  result.sent++;
  call.stream = call.connection.call(head, message, (error, answer, stream) => {
    if (call.isOver) return;
    call.isOver = true;
    const took = performance.now() - started;
    if (error === null) {
      accepted.push(took);
      if (judge(answer)) {
        if (deadlineMs === 0 || took <= deadlineMs) result.good++;
        else result.late++;
      }
    } else refused(error, stream, took);
    done(error);
  });
  if (deadlineMs > 0) pending.push(call);
}

function refused(error, stream, took) {
  const code = error.code ?? 'connection';
  refusedAfter.push(took);
  result.refused[code] = (result.refused[code] ?? 0) + 1;
  result.examples[code] ??= error.message;
  const headers = stream?.trailers ?? stream?.headers ?? [];
  let isHinted = false;
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === 'grpc-retry-pushback-ms' && Number(headers[at + 1]) > 0) isHinted = true;
    else if (headers[at] === 'grpc-status-details-bin')
      isHinted ||= Buffer.from(headers[at + 1], 'base64').includes('google.rpc.RetryInfo');
  }
  if (!isHinted) result.unhinted[code] = (result.unhinted[code] ?? 0) + 1;
}

/** Callers give up at their deadline; what arrived by then is taken first. */
function expire() {
  const now = performance.now();
  while (firstPending < pending.length && pending[firstPending].expires < now) {
    const call = pending[firstPending++];
    if (call.isOver) continue;
    call.isOver = true;
    result.expired++;
    if (call.stream !== null) call.connection.cancel(call.stream);
    call.done(null);
  }
  if (firstPending > 10_000) {
    pending = pending.slice(firstPending);
    firstPending = 0;
  }
}

const expiry = deadlineMs > 0 ? setInterval(() => setImmediate(expire), 5) : undefined;
const shared = { seconds, graceMs: 5000, send };
const { elapsed: took, missed } = await (rate === 0
  ? closedLoop({ ...shared, outstanding: wanted })
  : openLoop({ ...shared, rate, random: Math.random, onTurn: (lateMs) => lags.push(lateMs) }));
clearInterval(expiry);
const elapsed = Math.min(took, seconds);
const at = (values, share) => values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;
const { user, system } = process.cpuUsage();
result.missed = missed;
console.log(
  JSON.stringify({
    ...result,
    goodput: result.good / elapsed,
    offered: result.sent / elapsed,
    p50: at(accepted, 0.5),
    p99: at(accepted, 0.99),
    refusedP50: at(refusedAfter, 0.5),
    /** How late the load itself was, ms. */
    lagP99: at(lags, 0.99),
    clientBusy: (user + system) / 1e6 / elapsed,
  }),
);
process.exit(0);
