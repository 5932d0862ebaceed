// NVIDIA Triton with models of its Python backend (triton_model.py), out of the wheel of PyTriton: no container and no GPU.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../scripts/free-ports.mjs';
import { findPythonEnvironment } from './python-environment.mjs';
import { sleep, until } from './suite-run.mjs';

/** Name → what its configuration says on top of its name and backend. */
const models = {
  ranker: { rows: 64, type: 'FP32', in: 7, out: 1 },
  second: { rows: 64, type: 'FP32', in: 2, out: 1 },
  echo: { rows: 0, type: 'FP32', in: -1, out: -1 },
  text: { rows: 0, type: 'STRING', in: -1, out: -1 },
  slow: { rows: 0, type: 'FP32', in: -1, out: -1 },
  broken: { rows: 0, type: 'STRING', in: -1, out: -1 },
};

let started = 0;

/** Triton, installed on first use (470 MB on disk), or why there is none: `{ triton: null, why }`. */
export async function findTriton() {
  const { folder, python, why } = await findPythonEnvironment('triton', ['nvidia-pytriton==0.7.0']);
  if (python === null) return { triton: null, why };
  const ask = (expression) => execFileSync(python, ['-c', `import sysconfig; print(${expression})`], { encoding: 'utf8' }).trim();
  const site = ask('sysconfig.get_paths()["platlib"]');
  const home = join(folder, 'triton-home');
  if (!existsSync(join(home, 'complete'))) {
    cpSync(join(site, 'pytriton/tritonserver'), home, { recursive: true });
    const stub = join(home, 'python_backend_stubs', ask('sysconfig.get_python_version()'), 'triton_python_backend_stub');
    if (!existsSync(stub)) return { triton: null, why: `no stub of the Python backend: ${stub}` };
    cpSync(stub, join(home, 'backends/python/triton_python_backend_stub'));
    mkdirSync(join(home, 'complete'));
  }
  const env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    PYTHONPATH: site,
    LD_LIBRARY_PATH: `${join(site, 'nvidia_pytriton.libs')}:${ask('sysconfig.get_config_var("LIBDIR")')}`,
  };
  return { triton: { home, env }, why: '' };
}

/**
 * Starts Triton with the models above, and waits until they are loaded.
 * @param options.args more arguments of the command
 * @param options.port of gRPC; a free one when it is not given
 */
export async function startTriton(run, triton, { args = [], port } = {}) {
  const repository = join(run.directory(), 'models');
  for (const [name, model] of Object.entries(models)) {
    mkdirSync(join(repository, name, '1'), { recursive: true });
    cpSync(join(import.meta.dirname, 'triton_model.py'), join(repository, name, '1', 'model.py'));
    writeFileSync(join(repository, name, 'config.pbtxt'), configOf(name, model));
  }
  removeShared((file) => Number(sharedBy.exec(file)?.[1]) > 0 && !isAlive(Number(sharedBy.exec(file)?.[1])));
  const shared = `inferflow-soak-${process.pid}-${started++}-`;
  const ports = { grpc: port ?? (await freePort()), http: await freePort() };
  const child = spawn(
    join(triton.home, 'bin/tritonserver'),
    [
      `--model-repository=${repository}`,
      `--backend-directory=${join(triton.home, 'backends')}`,
      `--cache-directory=${join(triton.home, 'caches')}`,
      ...['http', 'grpc'].flatMap((kind) => [`--${kind}-address=127.0.0.1`, `--${kind}-port=${ports[kind]}`]),
      `--backend-config=python,shm-region-prefix-name=${shared}`,
      '--allow-metrics=false',
      '--exit-timeout-secs=2',
      ...args,
    ],
    { env: triton.env, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-4000);
  });
  let hasExited = false;
  for (const end of ['exit', 'error'])
    child.once(end, () => {
      hasExited = true;
    });
  const stop = async () => {
    if (!hasExited) child.kill('SIGTERM');
    if (!(await until(() => hasExited, 3500))) child.kill('SIGKILL');
    await until(() => hasExited, 1000);
    removeShared((file) => file.startsWith(shared));
  };
  run.defer(stop);
  const isReady = await until(async () => hasExited || (await answersReady(ports.http)), 60_000, 200);
  if (!isReady || hasExited) throw new Error(`Triton did not start:\n${log}`);
  return { port: ports.grpc, stop };
}

const sharedBy = /^inferflow-soak-(\d+)-/;

/** Triton leaves the memory that it shared with its models, and a run that was killed leaves Triton's. */
function removeShared(isMeant) {
  for (const file of readdirSync('/dev/shm').filter(isMeant)) rmSync(join('/dev/shm', file), { force: true });
}

const isAlive = (pid) => existsSync(`/proc/${pid}`);

async function answersReady(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/v2/health/ready`)).ok;
  } catch {
    await sleep(100);
    return false;
  }
}

const configOf = (name, { rows, type, in: width, out }) => `name: "${name}"
backend: "python"
max_batch_size: ${rows}
input [ { name: "x", data_type: TYPE_${type}, dims: [${width}] } ]
output [ { name: "y", data_type: TYPE_${type}, dims: [${out}] } ]
instance_group [ { kind: KIND_CPU, count: 1 } ]
${rows > 0 ? 'dynamic_batching { }\n' : ''}`;
