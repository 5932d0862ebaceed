import type { ChildProcess, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ModelServerError } from '../errors.js';
import type { Tensor } from '../tensor.js';
import { identityModel, slowModel } from '../testdata/onnx-models.js';
import { OnnxPool, type OnnxPoolOptions } from './onnx-pool.js';

/** What starting a process does instead, as often as there are entries. */
const refusals: (() => ChildProcess)[] = [];
vi.mock('node:child_process', async (original) => {
  const real = await original<{ spawn: typeof spawn }>();
  return { ...real, spawn: (...args: Parameters<typeof spawn>) => refusals.shift()?.() ?? real.spawn(...args) };
});

const open: OnnxPool[] = [];
afterEach(async () => {
  refusals.length = 0;
  await Promise.all(open.splice(0).map((pool) => pool.close(0)));
});

async function create(options: Partial<OnnxPoolOptions> = {}): Promise<OnnxPool> {
  const pool = await OnnxPool.create({
    models: [{ name: 'copy', bytes: identityModel('FP32') }],
    threads: 1,
    intraOpThreads: 1,
    maxQueuedCalls: 16,
    maxRunMs: 60_000,
    program: new URL('./onnx-host.mjs', import.meta.url),
    ...options,
  });
  open.push(pool);
  return pool;
}

function input(rows: number): Tensor {
  return { name: 'x', datatype: 'FP32', shape: [rows, 2], data: new Uint8Array(rows * 8) };
}

/** What comes back when no file descriptor is free: no pipes, and an event a moment later. */
function withoutDescriptors(): ChildProcess {
  const child = new EventEmitter();
  process.nextTick(() => child.emit('error', new Error('spawn node EMFILE')));
  return child as ChildProcess;
}

function withoutMemory(): ChildProcess {
  throw new Error('spawn ENOMEM');
}

describe('OnnxPool', () => {
  it('tries again when the system starts no process', async () => {
    const pool = await create();
    refusals.push(withoutDescriptors, withoutMemory);
    process.kill(pool.processIds[0]!, 'SIGKILL');
    await expect.poll(() => pool.isReady).toBe(false);
    await expect.poll(() => pool.isReady, { timeout: 15_000 }).toBe(true);
    expect(refusals).toHaveLength(0);
    expect(await pool.runner(0).infer([input(1)], {})).toHaveLength(1);
  });

  it.each([1, 2])('is closed as soon as nothing is left that could finish, with %i processes', async (threads) => {
    const pool = await create({ models: [{ name: 'slow', bytes: slowModel(256, 400) }], threads });
    const calls = Array.from({ length: 4 * threads }, () =>
      pool.runner(0).infer([{ name: 'x', datatype: 'FP32', shape: [256, 256], data: new Uint8Array(256 * 256 * 4) }], {}),
    );
    const outcomes = Promise.allSettled(calls);
    const [first] = pool.processIds;
    const closed = pool.close(25_000);
    process.kill(first!, 'SIGKILL');
    const started = performance.now();
    await closed;
    expect(performance.now() - started).toBeLessThan(20_000);
    const failures = (await outcomes).filter((outcome) => outcome.status === 'rejected');
    // Of two processes the other one runs what had not begun.
    expect(failures).toHaveLength(threads === 1 ? 4 : 1);
    expect(failures[0]!.reason).toMatchObject({ message: 'the inference process ended (SIGKILL)' });
  });

  it.each([Infinity, 2 ** 31])('takes a limit of %d ms for one that is never reached', async (limitMs) => {
    const pool = await create({ models: [{ name: 'slow', bytes: slowModel(256, 60) }], maxRunMs: limitMs });
    const tensor = { name: 'x', datatype: 'FP32', shape: [256, 256], data: new Uint8Array(256 * 256 * 4) };
    const calls = [1, 2].map(() => pool.runner(0).infer([tensor], { timeoutMs: limitMs }));
    const closed = pool.close(limitMs);
    expect(await Promise.all(calls)).toHaveLength(2);
    await closed;
  });

  it('does not answer with a file that takes or gives something else than the one it replaced', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'replaced-'));
    const file = join(folder, 'copy.onnx');
    await writeFile(file, identityModel('FP32'));
    const pool = await create({ models: [{ name: 'copy', file }] });
    await writeFile(file, identityModel('INT32'));
    process.kill(pool.processIds[0]!, 'SIGKILL');
    const call = () => pool.runner(0).infer([input(1)], {});
    await expect.poll(() => pool.isReady).toBe(false);
    await expect
      .poll(() => call().catch((error: ModelServerError) => `${error.code}: ${error.message}`), { timeout: 10_000 })
      .toBe(
        `INFERFLOW_MODEL_SERVER_UNAVAILABLE: the inference process is restarting: model 'copy' (${file}): its file was replaced by one with other inputs or outputs; load the models anew to serve it`,
      );
    await writeFile(file, identityModel('FP32'));
    await expect.poll(() => pool.isReady, { timeout: 15_000 }).toBe(true);
    expect(await call()).toMatchObject([{ datatype: 'FP32' }]);
    await rm(folder, { recursive: true });
  });

  it('answers before the next call is run, however large the answer is', async () => {
    const pool = await create({
      models: [
        { name: 'copy', bytes: identityModel('FP32') },
        { name: 'slow', bytes: slowModel(256, 1000) },
      ],
    });
    const slow = () => pool.runner(1).infer([{ name: 'x', datatype: 'FP32', shape: [256, 256], data: new Uint8Array(256 * 256 * 4) }], {});
    const started = performance.now();
    await slow();
    const runMs = performance.now() - started;
    const large = pool.runner(0).infer([input(500_000)], {});
    const next = slow();
    await large;
    const answered = performance.now();
    await next;
    expect(performance.now() - answered).toBeGreaterThan(runMs / 4);
  });

  it.each([
    ['no file descriptor is free', withoutDescriptors],
    ['spawn ENOMEM', withoutMemory],
  ])('says that none could be started at first: %s', async (reason, refusal) => {
    refusals.push(refusal);
    await expect(create()).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_UNAVAILABLE',
      message: `the inference process cannot be started: ${reason}`,
    });
  });
});
