import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLocalModels, type LocalModels, type LocalModelsOptions } from './local-models.js';
import { findModels } from './model-directory.js';
import type { Runner } from './runner.js';
import type { Tensor } from './tensor.js';
import { failingModel, identityModel, slowModel, twoInputModel } from './testdata/onnx-models.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'models-'));
});
afterAll(() => rm(folder, { recursive: true }));

let open: LocalModels[] = [];
afterEach(async () => {
  await Promise.all(open.map((models) => models.close(0)));
  open = [];
});

async function load(options: LocalModelsOptions): Promise<LocalModels> {
  const models = await createLocalModels(options);
  open.push(models);
  return models;
}

function floats(name: string, shape: number[], values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

function numbers(tensor: Tensor | undefined): number[] {
  return [...new Float32Array(tensor!.data.slice().buffer)];
}

function slowInput(): Tensor {
  return floats('x', [256, 256], new Array(256 * 256).fill(1));
}

describe('createLocalModels', () => {
  it('loads files and bytes and runs all rows of a call at once', async () => {
    await writeFile(join(folder, 'pair.onnx'), twoInputModel());
    const models = await load({
      models: [
        { name: 'pair', file: join(folder, 'pair.onnx') },
        { name: 'copy', version: '2', bytes: identityModel('FP32') },
        { name: 'copy', version: '10', bytes: identityModel('INT64') },
      ],
    });
    expect(models.isReady).toBe(true);
    expect(models.models.map((model) => `${model.name}/${model.version}`)).toEqual(['copy/2', 'copy/10', 'pair/1']);
    expect(models.find('copy')?.version).toBe('10');
    expect(models.find('pair')).toMatchObject({
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'a', datatype: 'FP32', shape: [-1, 3], dimensionNames: ['batch', ''] }, { name: 'b' }],
    });
    const inputs = [floats('b', [2, 3], [1, 1, 1, 2, 2, 2]), floats('a', [2, 3], [1, 2, 3, 4, 5, 6])];
    const outputs = await models.infer('pair', '', inputs);
    expect(outputs.map((output) => [output.name, output.datatype, output.shape, numbers(output)])).toEqual([
      ['sum', 'FP32', [2, 3], [2, 3, 4, 6, 7, 8]],
      ['difference', 'FP32', [2, 3], [0, 1, 2, 2, 3, 4]],
    ]);
    const [difference, sum] = await models.infer('pair', '1', inputs, { outputs: ['difference', 'sum'] });
    expect([numbers(difference)[3], numbers(sum)[3]]).toEqual([2, 6]);
    expect(await models.infer('copy', '2', [floats('x', [0, 2], [])])).toMatchObject([{ shape: [0, 2] }]);
  });

  it.each(['FP32', 'FP64', 'FP16', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64', 'BOOL', 'BYTES'])(
    'passes %s values through unchanged',
    async (datatype) => {
      const models = await load({ models: [{ name: 'copy', bytes: identityModel(datatype) }] });
      const widths: Record<string, number> = {
        FP64: 8,
        INT64: 8,
        UINT64: 8,
        FP32: 4,
        INT32: 4,
        UINT32: 4,
        FP16: 2,
        INT16: 2,
        UINT16: 2,
        INT8: 1,
        UINT8: 1,
        BOOL: 1,
      };
      const data =
        datatype === 'BYTES'
          ? Buffer.concat(
              ['a', '', 'é…', 'x'.repeat(300)].map((text) =>
                Buffer.concat([Buffer.from(Uint32Array.of(Buffer.byteLength(text)).buffer), Buffer.from(text)]),
              ),
            )
          : Uint8Array.from({ length: 4 * widths[datatype]! }, (_, index) => (datatype === 'BOOL' ? index % 2 : (index * 37 + 11) % 60));
      const [y] = await models.infer('copy', '', [{ name: 'x', datatype, shape: [2, 2], data }]);
      expect(y).toMatchObject({ name: 'y', datatype, shape: [2, 2] });
      expect(Buffer.from(y!.data).equals(data)).toBe(true);
    },
  );

  it.each([
    ['no input', [], 'Missing required input(s): a, b. Expected inputs: a, b'],
    ['one input', [floats('a', [1, 3], [1, 2, 3])], 'Missing required input(s): b. Expected inputs: a, b'],
    ['a third', [floats('a', [1, 3], [1, 2, 3]), floats('b', [1, 3], [1, 2, 3]), floats('c', [1], [1])], 'Unexpected input(s): c'],
    ['one twice', [floats('a', [1, 3], [1, 2, 3]), floats('a', [1, 3], [1, 2, 3])], "Input 'a' is there twice"],
    [
      'a wrong type',
      [{ ...floats('a', [1, 3], [1, 2, 3]), datatype: 'FP64' }, floats('b', [1, 3], [1, 2, 3])],
      "Input 'a': expected datatype FP32, got FP64",
    ],
    ['a wrong width', [floats('a', [1, 2], [1, 2]), floats('b', [1, 3], [1, 2, 3])], "Input 'a': expected shape [-1,3], got [1,2]"],
    ['a wrong rank', [floats('a', [3], [1, 2, 3]), floats('b', [1, 3], [1, 2, 3])], "Input 'a': expected shape [-1,3], got [3]"],
    ['a negative size', [floats('a', [-1, 3], []), floats('b', [1, 3], [1, 2, 3])], 'negative dimension'],
    ['a huge size', [floats('a', [2 ** 40, 3], []), floats('b', [1, 3], [1, 2, 3])], 'too many elements'],
    ['missing bytes', [floats('a', [1, 3], [1, 2]), floats('b', [1, 3], [1, 2, 3])], "Input 'a': expected 12 bytes for FP32 [1,3], got 8"],
    [
      'uneven rows',
      [floats('a', [1, 3], [1, 2, 3]), floats('b', [2, 3], [1, 2, 3, 4, 5, 6])],
      "Input 'b': dimension 0 ('batch') is 2, but 1 in input 'a'",
    ],
  ])('refuses %s', async (_, inputs, message) => {
    const models = await load({ models: [{ name: 'pair', bytes: twoInputModel() }] });
    await expect(models.infer('pair', '', inputs)).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_INPUT_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    ['what is not UTF-8', Uint8Array.of(0x63, 0x61, 0x66, 0xe9)],
    ['a text that holds a NUL', Uint8Array.of(0x61, 0, 0x62)],
  ])('refuses %s instead of letting the model see another text', async (_, text) => {
    const models = await load({ models: [{ name: 'copy', bytes: identityModel('BYTES') }] });
    const input = (second: Uint8Array): Tensor => ({
      name: 'x',
      datatype: 'BYTES',
      shape: [1, 2],
      data: Buffer.concat([Uint8Array.of(2, 0, 0, 0, 0x6f, 0x6b, second.length, 0, 0, 0), second]),
    });
    for (let call = 0; call < 3; call++) {
      await expect(models.infer('copy', '', [input(text)])).rejects.toMatchObject({
        code: 'INFERFLOW_MODEL_SERVER_INPUT_INVALID',
        message: "Input 'x': BYTES element 1 is no UTF-8 text without NUL, which is all that ONNX models take",
      });
    }
    expect(await models.infer('copy', '', [input(Buffer.from('é'))])).toHaveLength(1);
  });

  it('refuses unknown models and outputs', async () => {
    const models = await load({ models: [{ name: 'pair', bytes: twoInputModel() }] });
    await expect(models.infer('pear', '', [])).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_MODEL_NOT_FOUND',
      message: 'model not found or not loaded: pear. Loaded: pair version 1',
    });
    await expect(models.infer('pair', '2', [])).rejects.toMatchObject({ code: 'INFERFLOW_MODEL_SERVER_MODEL_NOT_FOUND' });
    await expect(models.infer('pair', '', [], { outputs: ['total'] })).rejects.toThrow(
      'Unknown output(s): total. Valid outputs: sum, difference',
    );
  });

  it('tells what is wrong with a model that cannot be loaded', async () => {
    await writeFile(join(folder, 'broken.onnx'), 'not a model');
    await expect(createLocalModels({ models: [{ name: 'broken', file: join(folder, 'broken.onnx') }] })).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_MODEL_INVALID',
      message: expect.stringContaining(`model 'broken' (${join(folder, 'broken.onnx')})`),
    });
    const bytes = identityModel('FP32');
    await expect(
      createLocalModels({
        models: [
          { name: 'a', bytes },
          { name: 'a', bytes },
        ],
      }),
    ).rejects.toThrow("model 'a' version '1' is there twice");
    await expect(createLocalModels({ models: [{ name: 'a' }] })).rejects.toThrow('exactly one of file, bytes and runner');
  });

  it('names the package that is missing, and how to get it', async () => {
    // Outside of any node_modules folder the program finds no onnxruntime-node.
    for (const name of ['onnx-host.mjs', 'frames.mjs']) await copyFile(new URL(`./onnx/${name}`, import.meta.url), join(folder, name));
    await expect(
      createLocalModels({ models: [{ name: 'a', bytes: identityModel('FP32') }], program: pathToFileURL(join(folder, 'onnx-host.mjs')) }),
    ).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_DEPENDENCY_MISSING',
      message: expect.stringContaining('npm install --ignore-scripts onnxruntime-node'),
    });
  });

  it('reports a model that fails, and goes on', async () => {
    const models = await load({
      models: [
        { name: 'bad', bytes: failingModel() },
        { name: 'good', bytes: identityModel('FP32') },
      ],
    });
    await expect(models.infer('bad', '', [floats('x', [2, 2], [1, 2, 3, 4])])).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_RUN_FAILED',
    });
    expect(numbers((await models.infer('good', '', [floats('x', [1, 2], [1, 2])]))[0])).toEqual([1, 2]);
  });

  it('keeps the event loop free while a model runs', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 60) }] });
    const started = performance.now();
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await models.infer('slow', '', [slowInput()]);
    clearInterval(timer);
    expect(turns).toBeGreaterThan((performance.now() - started) / 10);
  });

  it('ends a call when its caller gives up or its time is over, waiting or running', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 60) }] });
    const controller = new AbortController();
    const calls = Array.from({ length: 4 }, () => models.infer('slow', '', [slowInput()], { signal: controller.signal }));
    const impatient = models.infer('slow', '', [slowInput()], { timeoutMs: 5 });
    await expect(impatient).rejects.toMatchObject({ code: 'INFERFLOW_MODEL_SERVER_DEADLINE_EXCEEDED' });
    controller.abort();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'INFERFLOW_MODEL_SERVER_CANCELLED' });
    await expect(models.infer('slow', '', [slowInput()], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_CANCELLED',
    });
    // What was given up does not stand in the way for long.
    expect(await models.infer('slow', '', [floats('x', [1, 256], new Array(256).fill(1))])).toHaveLength(1);
  });

  it('fails the running call when a process dies, runs the others, and replaces it', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 60) }], threads: 2 });
    expect(models.processIds).toHaveLength(2);
    const calls = Array.from({ length: 6 }, () => models.infer('slow', '', [slowInput()]));
    process.kill(models.processIds[0]!, 'SIGKILL');
    const outcomes = await Promise.allSettled(calls);
    const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(failures).toHaveLength(1);
    expect(failures[0]!.reason).toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_UNAVAILABLE',
      message: 'the inference process ended (SIGKILL)',
    });
    await expect.poll(() => models.processIds.length, { timeout: 10_000 }).toBe(2);
  });

  it('refuses calls while its only process restarts, then answers again', async () => {
    const models = await load({ models: [{ name: 'copy', bytes: identityModel('FP32') }] });
    process.kill(models.processIds[0]!, 'SIGKILL');
    await expect.poll(() => models.isReady).toBe(false);
    await expect(models.infer('copy', '', [floats('x', [1, 2], [1, 2])])).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_UNAVAILABLE',
    });
    await expect.poll(() => models.isReady, { timeout: 10_000 }).toBe(true);
    expect(await models.infer('copy', '', [floats('x', [1, 2], [1, 2])])).toHaveLength(1);
  });

  it('ends a run that takes too long', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 2000) }], maxRunMs: 50 });
    await expect(models.infer('slow', '', [slowInput()])).rejects.toMatchObject({
      code: 'INFERFLOW_MODEL_SERVER_UNAVAILABLE',
      message: 'the inference process ended (a run took longer than 50 ms)',
    });
  });

  it('refuses calls beyond its queue', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 20) }], maxQueuedCalls: 1 });
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => models.infer('slow', '', [slowInput()])));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect((outcomes[4] as PromiseRejectedResult).reason).toMatchObject({ code: 'INFERFLOW_MODEL_SERVER_OVERLOADED' });
  });

  it('finishes accepted calls when it is closed, and takes no new ones', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 20) }] });
    const calls = [1, 2, 3].map(() => models.infer('slow', '', [slowInput()]));
    const closed = models.close(20_000);
    await expect(models.infer('slow', '', [slowInput()])).rejects.toMatchObject({ code: 'INFERFLOW_MODEL_SERVER_UNAVAILABLE' });
    expect(await Promise.all(calls)).toHaveLength(3);
    await closed;
    expect(models.isReady).toBe(false);
  });

  it('fails what is left when the grace is over', async () => {
    const models = await load({ models: [{ name: 'slow', bytes: slowModel(256, 200) }] });
    const calls = [1, 2, 3].map(() => models.infer('slow', '', [slowInput()]));
    const outcomes = Promise.allSettled(calls);
    await models.close(1);
    expect((await outcomes).every((outcome) => outcome.status === 'rejected')).toBe(true);
  });

  it('serves runners of other kinds beside ONNX models', async () => {
    const spec = { datatype: 'FP32', shape: [-1], dimensionNames: ['batch'] };
    const doubling: Runner = {
      platform: 'javascript',
      inputs: [{ name: 'x', ...spec }],
      outputs: [{ name: 'y', ...spec }],
      isReady: true,
      infer: async ([x]) => [
        floats(
          'y',
          [...x!.shape],
          numbers(x).map((value) => value * 2),
        ),
      ],
    };
    const models = await load({ models: [{ name: 'double', runner: doubling }] });
    expect(numbers((await models.infer('double', '', [floats('x', [2], [1, 2])]))[0])).toEqual([2, 4]);
  });
});

describe('a program that loads models', () => {
  it('takes its processes with it when it ends without closing them', async () => {
    // What starts processes is TypeScript here, so the program below starts one in the same way.
    const program = `
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, [${JSON.stringify(fileURLToPath(new URL('./onnx/onnx-host.mjs', import.meta.url)))}], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
      child.unref();
      child.stdio[3].unref();
      console.log(child.pid);
    `;
    // The child holds the error stream open: this settles only when both have ended.
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { timeout: 10_000 });
    expect(Number(stdout)).toBeGreaterThan(0);
  });
});

describe('findModels', () => {
  it('writes nothing where a process may write, so that nothing is there to be sent', async () => {
    const home = await mkdtemp(join(folder, 'home-'));
    for (const name of ['HOME', 'TMPDIR', 'XDG_CACHE_HOME']) vi.stubEnv(name, home);
    try {
      const models = await load({ models: [{ name: 'copy', bytes: identityModel('FP32') }] });
      await models.infer('copy', '', [floats('x', [1, 2], [1, 2])]);
      await models.close(1000);
    } finally {
      vi.unstubAllEnvs();
    }
    expect(await readdir(home)).toEqual([]);
  });

  it('finds the models of a directory and nothing else', async () => {
    const directory = await mkdtemp(join(folder, 'directory-'));
    for (const name of ['b.onnx', 'a.onnx', '.hidden.onnx', 'notes.txt']) await writeFile(join(directory, name), '');
    await mkdir(join(directory, 'old.onnx'));
    await symlink('absent', join(directory, 'c.onnx'));
    expect(await findModels(directory)).toEqual([
      { name: 'a', file: join(directory, 'a.onnx') },
      { name: 'b', file: join(directory, 'b.onnx') },
      { name: 'c', file: join(directory, 'c.onnx') },
    ]);
    await expect(findModels(join(directory, 'absent'))).rejects.toMatchObject({ code: 'INFERFLOW_MODEL_SERVER_MODEL_INVALID' });
    await expect(findModels(await mkdtemp(join(folder, 'empty-')))).rejects.toThrow('at least one file that ends in .onnx');
  });
});
