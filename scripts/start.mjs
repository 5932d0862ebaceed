// npm start [-- --once]: starts the server on its embedded defaults, sends one real request over gRPC, prints the ranked answer and what
// to try next, and keeps serving. With --once it exits 0 after the answer, non-zero when there is none.
import { readFileSync } from 'node:fs';
import { createServer as createProbe } from 'node:net';
import { fileURLToPath } from 'node:url';
import { rankedRows, renderTable } from '../apps/cli/dist/index.js';
import { createLogger, createServer, limitHeapGrowth, readEnvironment, ServerStartError } from '../apps/server/dist/index.js';
import { createNodeInferflowClient } from '../packages/client/dist/node/index.js';

const { once, unknown } = readArguments(process.argv.slice(2));
if (unknown.length > 0) {
  console.error(`npm start does not know ${unknown.join(' ')}; it takes --once (answer one request and exit). Settings are environment variables:
  APP_PORT=9000 npm start        all of them: docs/reference/environment.md, or node apps/cli/dist/main.js env`);
  process.exit(2);
}
const requestFile = 'examples/movies/requests/rank-drama.json';
const readJson = (path) => JSON.parse(readFileSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8'));

function readArguments(given) {
  return { once: given.includes('--once'), unknown: given.filter((each) => each !== '--once') };
}

const isFree = (port) =>
  new Promise((resolve) => {
    const probe = createProbe();
    probe.once('error', () => resolve(false));
    probe.listen(port, () => probe.close(() => resolve(true)));
  });

async function portToUse() {
  if (process.env.APP_PORT) return process.env.APP_PORT;
  if (once) return '0';
  if (await isFree(8085)) return '8085';
  console.log('Port 8085 is taken; using a free one.');
  return '0';
}

limitHeapGrowth(process.execArgv);
let server;
try {
  const environment = readEnvironment({ APP_LOG_LEVEL: 'ERROR', ...process.env, APP_PORT: await portToUse() });
  const logger = createLogger(environment.text('APP_LOG_LEVEL'), 'inferflow');
  // The log that would say so is silent unless asked for.
  if (process.env.APP_LOG_LEVEL === undefined) for (const notice of environment.notices) console.warn(notice);
  server = await createServer(environment, logger);
  const client = createNodeInferflowClient({ host: '127.0.0.1', port: server.port, requestValues: 'typed', timeoutMs: 20_000 });
  const request = readJson(requestFile);
  const answer = await client.inferPointWise(request);
  await client.close(0);
  if (answer.targets.length !== request.targets.length) throw new Error('the answer does not have a row for every target');
  const columns = answer.targetColumns.map((column) => column.name);
  if (!answer.targets.some((target) => typeof target.values[columns.at(-1)] === 'number'))
    throw new Error(`no film got a score: ${answer.targets[0].error}`);
  const ranked = rankedRows(columns, answer.targets);
  // With --once nothing serves afterwards: the lines are for the next `npm start`.
  const port = once ? '8085' : server.port;
  const url = `http://localhost:${port}`;
  if (environment.text('INFERFLOW_WORKERS') !== '1')
    console.log('npm start serves in one process; INFERFLOW_WORKERS is for node apps/server/dist/main.js.');
  // The lean listener has the scoring methods alone; reflection, which buf curl asks for the types, is on the full port.
  const isLean = environment.boolean('INFERFLOW_LEAN_LISTENER');
  const { fullPort } = server;
  const full = fullPort === null ? 'INFERFLOW_FULL_PORT opens a port for the rest' : `everything else on ${fullPort}`;
  const protocols = isLean ? `gRPC and HTTP/1.1; ${full}` : 'gRPC, gRPC-Web, Connect, HTTP';
  const schema = isLean && fullPort === null ? '--schema proto ' : '';
  const bufUrl = fullPort === null ? url : `http://localhost:${fullPort}`;
  console.log(`\n${request.modelConfigId}: ${answer.targets.length} films, best first\n`);
  console.log(renderTable(ranked.columns, ranked.rows));
  const outcomes = answer.quality?.components.map((component) => `${component.name} ${component.status}`).join(', ');
  console.log(`\ncomponents: ${outcomes}`);
  console.log(`
${once ? `Run "npm start" and it keeps serving on ${url}` : `Serving on ${url}`} (${protocols}). Try:

  node apps/cli/dist/main.js infer ${requestFile} -s localhost:${port}

  curl -s ${url}/Predict/InferPointWise -H 'content-type: application/json' -d @examples/movies/requests/rank-drama.connect.json

  npx buf curl ${schema}--http2-prior-knowledge --protocol grpc ${bufUrl}/Predict/InferPointWise -d @examples/movies/requests/rank-drama.connect.json

  metrics: ${url}/metrics    readiness: ${url}/health/ready    what is where: ${url}/
${once ? '' : '\nCtrl-C stops it.\n'}`);
  if (once) {
    await server.shutdown();
    process.exit(0);
  }
  const stop = () => void server.shutdown().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
} catch (error) {
  const problems =
    error instanceof ServerStartError ? error.problems : [error.cause ? `${error.message} (${error.cause.message})` : error.message];
  for (const problem of problems) console.error(problem);
  process.exit(1);
}
