import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelInferRequestSchema, ModelInferResponseSchema } from '../../packages/proto/dist/index.js';
import { messageBuffers } from '../../packages/transport/dist/buffer-pool.js';
import { slabs } from '../../packages/transport/dist/http2/out-slab.js';
import { createCallHead, createUpstream } from '../../packages/transport/dist/index.js';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { PeerCall } from './lib/peer-call.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { findTriton, startTriton } from './lib/triton.mjs';
import { modelConfig } from './lib/workload.mjs';

export const name = 'triton';
export const about =
  'NVIDIA Triton as the model server, installed from PyPI: calls of every size, statuses, deadlines, cancels, TLS, connections that are renewed; the stock server scores with it, also through a restart; long form only';
export const short = (run) => run.note('long form only: it installs 470 MB');
export const long = (run) => suite(run, 60);

const testdata = join(import.meta.dirname, '../../packages/transport/src/testdata');
const clients = ['lean', 'node'];

async function suite(run, rounds) {
  const { triton, why } = await findTriton();
  if (triton === null) return run.note(`!!!!! SKIPPED: no Triton here: ${why.trim().split('\n').at(-1)}`);
  // Answers are compressed for those who take it, and no connection gets old.
  const args = ['--grpc-infer-response-compression-level=high', '--grpc-max-connection-age=300', '--grpc-max-connection-age-grace=5000'];
  const young = await startTriton(run, triton, { args });
  for (const client of clients) await tryCalls(run, `Triton, ${client}`, young.port, { protocol: client }, rounds);
  await young.stop();

  const tls = [
    '--grpc-use-ssl=true',
    `--grpc-server-cert=${join(testdata, 'server.pem')}`,
    `--grpc-server-key=${join(testdata, 'server.key')}`,
  ];
  const secure = await startTriton(run, triton, { args: tls });
  const trust = { ca: readFileSync(join(testdata, 'ca.pem')) };
  for (const client of clients)
    await tryCalls(run, `Triton over TLS, ${client}`, secure.port, { protocol: client, tls: trust }, Math.ceil(rounds / 3));
  await secure.stop();

  const plain = await startTriton(run, triton);
  await tryPatience(run, plain.port);
  await tryLint(run, plain.port);
  await tryServer(run, triton, plain);
}

/** Everything that one call can meet, mixed, over connections of one upstream. */
async function tryCalls(run, title, port, options, rounds) {
  const seen = { connections: 0, compressed: 0 };
  const onEvent = ({ kind }) => {
    if (kind === 'connected') seen.connections++;
  };
  const upstream = createUpstream({ name: 'triton', host: '127.0.0.1', port, tls: null, onEvent, ...options });
  const tally = { echo: 0, text: 0, status: 0, unknown: 0, refused: 0, deadline: 0, cancelled: 0 };
  const wrong = {};
  let number = 0;
  for (let round = 0; round < rounds; round++) {
    const head = headOf(port, round % 2 === 0);
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => callOnce(upstream, head, ++number, seen)));
    for (const outcome of outcomes) {
      if (outcome in tally) tally[outcome]++;
      else wrong[outcome] = (wrong[outcome] ?? 0) + 1;
    }
  }
  await upstream.close(1000);
  const isRight = Object.keys(wrong).length === 0 && Object.values(tally).every((count) => count > 0);
  run.check(`${title}: every call ends as it should`, isRight, `${JSON.stringify(tally)} ${JSON.stringify(wrong)}`);
  const isSeen = options.tls ? seen.connections > 0 : seen.connections > 2 && seen.compressed > 0;
  run.check(`${title}: connections were renewed, answers compressed, where that was asked for`, isSeen, JSON.stringify(seen));
  run.check(`${title}: the pools have everything back`, messageBuffers.taken === 0 && slabs.taken === 0);
}

const headOf = (port, acceptGzip = false) =>
  createCallHead({ path: '/inference.GRPCInferenceService/ModelInfer', authority: `localhost:${port}`, acceptGzip });

const sizes = [0, 1, 20, 1000, 5000, 20_000, 70_000];

/** How one call ended: a key of the tally when that is right. */
async function callOnce(upstream, head, number, seen) {
  const kind = number % 10;
  if (kind === 0) return expectCode(await infer(upstream, head, 'nobody', floats(3, number)), 'unknown', [5, 14], /nobody/);
  if (kind === 1) return expectCode(await infer(upstream, head, 'ranker', floats(3, number)), 'refused', [3], /x/);
  if (kind === 2) return expectCode(await infer(upstream, head, 'broken', texts(`ärger ${number}`)), 'status', [13], `ärger ${number}`);
  if (kind === 3 && number % 50 === 3) return expectCode(await infer(upstream, head, 'slow', floats(1, 60), 20), 'deadline', [4], /./);
  if (kind === 4) return cancelled(upstream, head, number);
  const input = kind === 5 ? texts(`${number}`, '', 'schön'.repeat(number % 2000)) : floats(sizeOf(number), number);
  const { call, ended } = startInfer(upstream, head, kind === 5 ? 'text' : 'echo', input, 20_000);
  const { answer, failure } = await ended;
  const encodingAt = call.answerHeaders?.indexOf('grpc-encoding') ?? -1;
  if (encodingAt >= 0 && call.answerHeaders[encodingAt + 1] === 'gzip') seen.compressed++;
  if (failure !== null) return `${failure.reason} ${failure.code} ${failure.message}`;
  const isSame = Buffer.compare(fromBinary(ModelInferResponseSchema, answer).rawOutputContents[0] ?? Buffer.alloc(0), input.raw) === 0;
  return isSame ? (kind === 5 ? 'text' : 'echo') : 'a wrong answer';
}

const sizeOf = (number) => (number % 100 === 6 ? 750_000 : sizes[(number >> 3) % sizes.length]);

function expectCode({ failure }, outcome, codes, message) {
  if (failure === null) return `${outcome}: an answer`;
  const isTold = typeof message === 'string' ? failure.message.includes(message) : message.test(failure.message);
  return codes.includes(failure.code) && isTold ? outcome : `${outcome}: ${failure.code} ${failure.message}`;
}

function cancelled(upstream, head, number) {
  const { call, ended } = startInfer(upstream, head, 'echo', floats(sizeOf(number), number), 20_000);
  return new Promise((resolve) => {
    ended.then(({ failure }) => resolve(failure === null ? 'echo' : `${failure.code} ${failure.message}`));
    setTimeout(() => {
      if (call.upstream === null) return;
      upstream.cancel(call);
      resolve('cancelled');
    }, number % 3);
  });
}

const infer = (upstream, head, model, input, timeoutMs = 20_000) => startInfer(upstream, head, model, input, timeoutMs).ended;

function startInfer(upstream, head, model, { datatype, shape, raw }, timeoutMs) {
  const request = { modelName: model, inputs: [{ name: 'x', datatype, shape }], outputs: [{ name: 'y' }], rawInputContents: [raw] };
  const body = Buffer.from(toBinary(ModelInferRequestSchema, create(ModelInferRequestSchema, request)));
  let call;
  const ended = new Promise((resolve) => {
    call = new PeerCall(head, body, timeoutMs, (answer, failure) => resolve({ answer, failure }));
    call.wantsMetadata = true;
    upstream.start(call);
  });
  return { call, ended };
}

function floats(count, first) {
  const values = Float32Array.from({ length: count }, (_, index) => first + index);
  return { datatype: 'FP32', shape: [BigInt(count)], raw: Buffer.from(values.buffer) };
}

function texts(...values) {
  const parts = values.map((value) => Buffer.from(value));
  const lengths = parts.map((part) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(part.length);
    return length;
  });
  return { datatype: 'BYTES', shape: [BigInt(parts.length)], raw: Buffer.concat(parts.flatMap((part, at) => [lengths[at], part])) };
}

/** A model takes longer than it takes to wonder whether its server is there, which puts up with two questions. */
async function tryPatience(run, port) {
  for (const protocol of clients) {
    const upstream = createUpstream({ name: 'triton', protocol, host: '127.0.0.1', port, tls: null, keepaliveMs: 100 });
    const head = headOf(port);
    const slow = [];
    for (let turn = 0; turn < 3; turn++) slow.push(await infer(upstream, head, 'slow', floats(1, 1500)));
    const failed = slow.filter(({ failure }) => failure !== null).map(({ failure }) => failure.message);
    run.check(
      `Triton, ${protocol}: answers that take long come, though the silence is looked into`,
      failed.length === 0,
      failed.join('; '),
    );
    await upstream.close(1000);
  }
}

/** What Triton says of its models is what configurations are held against. */
async function tryLint(run, port) {
  const folder = run.directory();
  const lint = async (change) => {
    const config = modelConfig(`127.0.0.1:${port}`);
    change(config.component_config.predator_components[0]);
    writeFileSync(join(folder, 'm.json'), JSON.stringify(config));
    const main = fileURLToPath(new URL('../../apps/cli/dist/main.js', import.meta.url));
    const child = spawn(process.execPath, [main, 'lint', '--probe', '--json', join(folder, 'm.json')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exit = new Promise((resolve) => child.once('exit', resolve));
    const { problems } = JSON.parse(await text(child.stdout)).models[0];
    const told = problems
      .filter(({ severity }) => severity !== 'hint')
      .map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
    return { told: told.join('; '), code: await exit };
  };
  const right = await lint(() => {});
  run.check('lint --probe finds nothing wrong with a right configuration', right.code === 0 && right.told === '', right.told);
  const narrow = await lint((ranker) => {
    ranker.inputs[0].features.pop();
    ranker.inputs[0].shape = [6];
  });
  run.check('… tells that an input is too narrow', narrow.code === 1 && narrow.told.includes('ranker'), narrow.told);
  const unknown = await lint((ranker) => {
    ranker.model_name = 'nobody';
  });
  run.check('… and that a model is not there', unknown.told.includes('nobody'), unknown.told);
}

/** The stock server, with Triton's models in the graph. */
async function tryServer(run, triton, first) {
  const fakes = await startFaultFakes(run);
  for (const client of clients) {
    const server = await startServer(run, {
      env: { ...environmentFor(fakes), INFERFLOW_UPSTREAM_CLIENT: client },
      models: { soak: modelConfig(`127.0.0.1:${first.port}`, { deadlineMs: 2000 }) },
    });
    const load = startLoad(server.port, { outstanding: 16, deadlineMs: 5000 });
    await settle(load);
    await sleep(8000);
    const tally = load.mark();
    const isClean = tally.wrongCount === 0 && tally.failures === 0 && tally.faultyRows === 0 && tally.answered > 100;
    run.check(`the server scores with Triton, ${client} client: every row right`, isClean, tally.text);
    if (client === 'lean') first = await restart(run, triton, first, load);
    const { wrongCount, text: said } = await load.stop();
    run.check(`no row was wrong at any time, ${client} client`, wrongCount === 0, said);
    await server.kill();
  }
}

/** Triton goes and comes back: rows say so as long as it is away. */
async function restart(run, triton, before, load) {
  await before.stop();
  await sleep(1000);
  load.mark();
  const after = await startTriton(run, triton, { port: before.port });
  const away = load.mark();
  run.check(
    'while Triton is away rows say so, and none is wrong',
    away.faultyRows > 0 && away.wrongCount === 0 && away.failures === 0,
    away.text,
  );
  const isBack = await until(async () => {
    load.mark();
    await sleep(500);
    return load.tally.faultyRows === 0 && load.tally.rightRows > 0;
  }, 15_000);
  run.check('when it is back all rows are right again', isBack, load.tally.text);
  return after;
}
