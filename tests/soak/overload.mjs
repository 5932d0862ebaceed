import { Client } from './lib/client.mjs';
import { httpGet } from './lib/http-get.mjs';
import { parseMetrics } from './lib/metrics.mjs';
import { startOverloadWorld } from './lib/overload-world.mjs';
import { patience, patient } from './lib/patience.mjs';
import { sleep } from './lib/suite-run.mjs';

export const name = 'overload';
export const about = 'three times as much as the server can do, and 256 requests at once: what is taken is in time, the rest refused early';
/** Short: shares of a machine that others use as well are not judged, only honesty. */
export const short = (run) => suite(run, { cases: [['default', 'W2']], deadlines: [patient(1000)], seconds: 3, isJudged: false });
export const long = (run, minutes = 4) =>
  suite(run, {
    cases: Object.entries(leastShare).flatMap(([listener, workloads]) => Object.keys(workloads).map((workload) => [listener, workload])),
    deadlines: [250, 1000, 0].map(patient),
    seconds: Math.max(10, (minutes * 60) / 18),
    isJudged: true,
  });
export const longLimitMinutes = 20;

/**
 * Goodput of closed loops that must be left, below what is usual by as much as one run differs from the next. Streams of `node:http2` cost
 * 35 µs of a processor each: three times W1 is more than it can refuse, so there nothing is promised but honesty.
 */
const leastShare = { default: { W1: 0, W2: 0.45, W3: 0.4 }, lean: { W1: 0.5, W2: 0.75, W3: 0.75 } };
const retryable = new Set(['8', '14']);
const defaultDeadlineMs = patient(10_000);

async function suite(run, { cases, deadlines, seconds, isJudged }) {
  for (const [listener, workload] of cases) {
    const world = await startOverloadWorld(run, workload, listener === 'lean');
    const title = `${workload}, ${listener} listener`;
    const least = leastShare[listener][workload];
    await world.load({ outstanding: 16, seconds: 2 });
    const warm = await peakOf(world, Math.min(seconds, 2));
    await manyAtOnce(run, title, world, Math.min(seconds, 5));
    // What refuses has to be as warm as what answers: compiled, too, on the one core that it has.
    await world.load({ rate: warm * 3, deadlineMs: 1000, seconds: isJudged ? 8 : 3 });
    let before = await peakOf(world, Math.min(seconds, 3));
    for (const deadlineMs of deadlines) {
      const load = await threeTimes(world, { peak: before, deadlineMs, seconds });
      const after = await peakOf(world, Math.min(seconds, 3));
      judge(run, title, load, { before, after, deadlineMs, least: isJudged ? least : 0, canBeLate: least === 0 });
      before = after;
    }
    await world.stop();
  }
}

/** Answers a second of the better of two closed loops. */
async function peakOf(world, seconds) {
  let peak = 0;
  for (const outstanding of [16, 64]) peak = Math.max(peak, (await world.load({ outstanding, seconds })).goodput);
  return peak;
}

async function manyAtOnce(run, title, world, seconds) {
  const result = await world.load({ outstanding: 256, seconds });
  const isClean = result.good === result.sent && result.rowsWithError === 0 && result.rowsWrong === 0;
  run.check(
    `${title}: 256 outstanding: every answer right, no default`,
    isClean,
    `${result.sent} requests, ${result.goodput.toFixed(0)} a second, ${result.rowsWithError} rows with an error, ${result.rowsWrong} wrong, p99 ${result.p99.toFixed(0)} ms`,
  );
}

async function threeTimes(world, { peak, deadlineMs, seconds }) {
  const health = watchHealth(world);
  const before = await metricsOf(world.port);
  const result = await world.load({ rate: peak * 3, deadlineMs, seconds }).finally(() => health.stop());
  const states = await health.stop();
  const after = await metricsOf(world.port);
  const counted = after.sum('inferflow_requests_refused_total') - before.sum('inferflow_requests_refused_total');
  return { result, states, counted };
}

/** How fast a machine is changes from minute to minute: goodput is a share of the peaks before and after. */
function judge(run, title, { result, states, counted }, { before, after, deadlineMs, least, canBeLate }) {
  const what = `${title}, 3 × ${before.toFixed(0)}/s, ${deadlineMs === 0 ? "the server's deadline" : `${deadlineMs} ms`}`;
  const refused = Object.entries(result.refused);
  const codes = refused.map(([code, count]) => `${count}× ${code}`).join(', ');
  const share = result.goodput / ((before + after) / 2);
  const figures = `${result.goodput.toFixed(0)} a second = ${(share * 100).toFixed(0)} % of the peak (${before.toFixed(0)} before, ${after.toFixed(0)} after), ${result.offered.toFixed(0)} sent; load up to ${result.lagP99.toFixed(0)} ms late and ${(result.clientBusy * 100).toFixed(0)} % busy`;
  if (least > 0) run.check(`${what}: goodput`, share >= least, figures);
  else run.note(`${what}: goodput ${figures}`);
  if (result.offered < before * 2.85) run.note('the load generator did not produce three times the peak');

  run.check(
    `${what}: no row is wrong, defaulted rows carry an error`,
    result.rowsWrong === 0,
    `${result.rowsWithError} rows with an error`,
  );
  const others = refused.reduce((total, [code, count]) => (retryable.has(code) ? total : total + count), 0);
  const late = result.late + result.expired;
  // A process that stands still for a moment, as for a collection of garbage or for another one, misses what was due in it.
  const most = result.sent * 0.02 * patience;
  run.check(
    `${what}: refused are RESOURCE_EXHAUSTED or UNAVAILABLE`,
    others <= most || (canBeLate && others <= (result.refused['4'] ?? 0) + (result.refused.connection ?? 0)),
    `${codes || 'none refused'}; after ${result.refusedP50.toFixed(1)} ms (p50)`,
  );
  const lateness = `${late} of ${result.sent} late; answered after ${result.p50.toFixed(0)} (p50), ${result.p99.toFixed(0)} ms (p99)`;
  if (canBeLate) run.note(`${what}: ${lateness}`);
  else run.check(`${what}: hardly any is late`, late <= most && result.p99 < (deadlineMs || defaultDeadlineMs), lateness);
  run.check(`${what}: there are answers`, result.good > 0, `${result.good}`);
  const unhinted = Object.entries(result.unhinted).reduce((total, [code, count]) => (retryable.has(code) ? total + count : total), 0);
  run.check(`${what}: every refusal says when to come again`, unhinted === 0, `${unhinted} without`);
  run.check(
    `${what}: health stays truthful`,
    states.wrong.length === 0 && states.asked > 0,
    `${states.asked} asked, slowest ${states.slowestMs.toFixed(0)} ms ${states.wrong.slice(0, 2).join('; ')}`,
  );
  const received = refused.reduce((total, [code, count]) => (code === '8' ? total + count : total), 0);
  run.check(`${what}: the metric counts the refused`, counted >= received, `${counted} counted, ${received} received`);
}

/** `/health/ready` on the port of the load and `grpc.health.v1` on the full one: they have to be answered, and the server serves. */
function watchHealth({ port, fullPort }) {
  let isStopped = false;
  const states = { asked: 0, slowestMs: 0, wrong: [] };
  const loop = (async () => {
    const client = new Client(fullPort);
    while (!isStopped) {
      const begun = performance.now();
      const [ready, grpc] = await Promise.all([
        httpGet(port, '/health/ready'),
        client.unary('/grpc.health.v1.Health/Check', Buffer.alloc(0), { timeoutMs: 3000 }),
      ]);
      states.asked++;
      states.slowestMs = Math.max(states.slowestMs, performance.now() - begun);
      if (ready.status !== 200) states.wrong.push(`/health/ready ${ready.status}`);
      // HealthCheckResponse { status = 1: SERVING = 1 }
      if (grpc.code !== 0 || !grpc.body.equals(Buffer.from([8, 1]))) states.wrong.push(`grpc health ${grpc.code} ${grpc.message}`);
      await sleep(100);
    }
    client.close();
  })();
  return {
    async stop() {
      isStopped = true;
      await loop;
      return states;
    },
  };
}

async function metricsOf(port) {
  return parseMetrics((await httpGet(port, '/metrics', 10_000)).body);
}
