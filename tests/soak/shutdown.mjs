import http from 'node:http';
import { Client } from './lib/client.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { freshRequest, modelConfig, PATH, verify } from './lib/workload.mjs';

export const name = 'shutdown';
export const about = 'kill -TERM under load: no accepted request fails, readiness flips first, GOAWAY, exit 0; connection age';
export const short = (run) => suite(run, { turns: 2, ageSeconds: 5 });
export const long = (run, minutes = 5) => suite(run, { turns: 5 * minutes, ageSeconds: 30 * minutes });

const drainDelayMs = patient(600);

async function suite(run, { turns, ageSeconds }) {
  const fakes = await startFaultFakes(run);
  const models = { soak: modelConfig(`127.0.0.1:${fakes.model.port}`, { deadlineMs: patient(2000) }) };
  const start = (env) =>
    startServer(run, { env: { ...environmentFor(fakes), EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(2000), ...env }, models });
  for (let turn = 0; turn < turns; turn++) {
    await underLoad(run, await start({ INFERFLOW_DRAIN_DELAY_MS: drainDelayMs }), fakes, turn % 2 === 0 ? 'SIGTERM' : 'SIGINT');
    await withoutDelay(run, await start({ INFERFLOW_DRAIN_DELAY_MS: 0 }));
  }
  await slowInFlight(run, await start({}), fakes);
  await boundedGrace(run, await start({ INFERFLOW_SHUTDOWN_GRACE_MS: 500, INFERFLOW_DEFAULT_DEADLINE_MS: 120_000 }), fakes);
  await idleConnections(run, await start({}));
  await connectionAge(run, await start({ INFERFLOW_MAX_CONNECTION_AGE_MS: 300 }), ageSeconds);
}

/** Readiness flips at once, requests are served during the drain delay, GOAWAY comes after it, nothing accepted is lost. */
async function underLoad(run, server, fakes, signal) {
  fakes.store.delayMs = 15;
  const load = startLoad(server.port, { outstanding: 24, connections: 4, repeats: 0 });
  await settle(load, { withinMs: 120, timeoutMs: 8000 });
  await sleep(500);
  const warm = load.mark();
  run.check(`${signal}: load before it`, warm.failures === 0 && warm.faultyRows === 0, warm.text);
  const events = {};
  const begun = performance.now();
  server.terminate(signal);
  // Twice, as impatient supervisors do.
  setTimeout(() => server.terminate(signal), 60);
  await until(
    async () => {
      const { status, body } = await server.get('/health/ready', 500);
      if (status === 503) events.notReady = { at: performance.now() - begun, body };
      return status === 503 || status === 0;
    },
    drainDelayMs,
    5,
  );
  const live = await server.get('/health/live', 500);
  await until(() => load.clients.some((client) => client.goaways > 0), 5000, 2);
  events.goaway = performance.now() - begun;
  events.served = load.tally.answered;
  const exited = await server.ended(15_000);
  const exitMs = exited === undefined ? Number.NaN : exited.at - begun;
  const tally = await load.stop();
  fakes.store.delayMs = 0;
  run.check(
    `${signal}: not ready at once, live, before any GOAWAY`,
    events.notReady !== undefined && events.notReady.at < events.goaway && live.status === 200,
    `not ready after ${events.notReady?.at.toFixed(0)} ms (${events.notReady?.body}), GOAWAY after ${events.goaway.toFixed(0)} ms`,
  );
  run.check(
    `${signal}: the drain delay is kept, requests are served during it`,
    events.goaway >= drainDelayMs - 20 && events.served > 20,
    `${events.served} answers`,
  );
  run.check(
    `${signal}: every connection got a GOAWAY`,
    load.clients.every((client) => client.goaways > 0),
  );
  run.check(`${signal}: no accepted request failed`, tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0, tally.text);
  run.check(`${signal}: exit code 0`, exited?.code === 0, `${exited?.signal ?? exited?.code} after ${exitMs.toFixed(0)} ms`);
}

async function withoutDelay(run, server) {
  const load = startLoad(server.port, { outstanding: 32, connections: 4, repeats: 0 });
  await sleep(700);
  load.mark();
  server.terminate();
  const exited = await server.ended(15_000);
  const tally = await load.stop();
  const isRight = exited?.code === 0 && tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0;
  run.check('SIGTERM without drain delay: no accepted request failed, exit code 0', isRight, tally.text);
}

/** Requests that take long are waited for. */
async function slowInFlight(run, server, fakes) {
  fakes.store.delayMs = 500;
  const client = new Client(server.port);
  const requests = Array.from({ length: 40 }, () => freshRequest(6));
  const answers = requests.map((request) => client.start(PATH, request.message).result);
  await until(() => fakes.store.open >= 2, 2000, 5);
  server.terminate();
  const results = await Promise.all(answers);
  fakes.store.delayMs = 0;
  const right = results.filter((answer, index) => answer.code === 0 && verify(requests[index], answer.body).right === 6).length;
  run.check('requests in flight for a second are answered after SIGTERM', right === 40, `${right} of 40`);
  const exited = await server.ended(15_000);
  run.check('… and then the process ends with 0', exited?.code === 0, `${exited?.signal ?? exited?.code}`);
  client.close();
}

/** What does not end is left behind after the grace time. */
async function boundedGrace(run, server, fakes) {
  fakes.store.fault = { kind: 'slow', ms: patient(8000) };
  server.config.put('soak', modelConfig(`127.0.0.1:${fakes.model.port}`, { deadlineMs: 60_000 }));
  const client = new Client(server.port);
  const call = client.start(PATH, freshRequest(6).message);
  await until(() => fakes.store.open > 0, 2000, 5);
  const begun = performance.now();
  server.terminate();
  const exited = await server.ended(10_000);
  const took = (exited?.at ?? Number.NaN) - begun;
  fakes.store.fault = null;
  const answer = await call.result;
  run.check(
    'a grace time of 500 ms bounds the shutdown',
    exited?.code === 0 && took < patient(4000),
    `exit ${exited?.code} after ${took.toFixed(0)} ms, the call got ${answer.code}`,
  );
  client.close();
}

/** Connections without requests keep nothing up. */
async function idleConnections(run, server) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  await Promise.all(
    Array.from(
      { length: 20 },
      () =>
        new Promise((resolve) => {
          http.get({ host: '127.0.0.1', port: server.port, path: '/health/self', agent }, (response) =>
            response.resume().on('end', resolve),
          );
        }),
    ),
  );
  const clients = Array.from({ length: 20 }, () => new Client(server.port));
  await Promise.all(clients.map((client) => client.unary(PATH, freshRequest(1).message)));
  const begun = performance.now();
  server.terminate();
  const exited = await server.ended(15_000);
  const took = (exited?.at ?? Number.NaN) - begun;
  run.check(
    '20 idle connections of each protocol do not hold the shutdown up',
    exited?.code === 0 && took < patient(3000),
    `${took.toFixed(0)} ms`,
  );
  agent.destroy();
  for (const client of clients) client.close();
}

/** Connections that are asked to reconnect every 300 ms lose nothing. */
async function connectionAge(run, server, seconds) {
  const load = startLoad(server.port, { outstanding: 32, connections: 8, repeats: 3 });
  await sleep(seconds * 1000);
  const tally = await load.stop();
  const sessions = load.clients.reduce((total, client) => total + client.sessions, 0);
  const isRight = tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0 && tally.notProcessed === 0;
  run.check(
    'a connection age of 300 ms under load loses nothing',
    isRight && sessions > seconds * 8,
    `${sessions} connections; ${tally.text}`,
  );
  server.terminate();
  await server.ended(15_000);
}
