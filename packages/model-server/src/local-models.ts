import { checkInputs, checkOutputs } from './check-call.js';
import { ModelServerError } from './errors.js';
import { OnnxPool } from './onnx/onnx-pool.js';
import type { InferOptions, Runner } from './runner.js';
import type { Tensor, TensorSpec } from './tensor.js';

/** A model to serve: an ONNX file, the bytes of one, or anything that runs. */
export interface LocalModelOptions {
  readonly name: string;
  /** @default '1' */
  readonly version?: string;
  /** Path of an `.onnx` file. */
  readonly file?: string;
  /** Content of an `.onnx` file. */
  readonly bytes?: Uint8Array;
  /** A runner of one's own. */
  readonly runner?: Runner;
}

/** Models to load, and what they may use. */
export interface LocalModelsOptions {
  readonly models: readonly LocalModelOptions[];
  /** Inferences at the same time; each takes a process of its own that holds all ONNX models. @default 1 */
  readonly threads?: number;
  /** Threads of one inference. @default 1 */
  readonly intraOpThreads?: number;
  /** Calls that may wait for a free process; more are refused as overloaded. @default 1024 */
  readonly maxQueuedCalls?: number;
  /** Longest run in ms, Infinity for no limit; beyond it the process is replaced. @default 60 000 */
  readonly maxRunMs?: number;
  /** @internal program of the processes, for tests */
  readonly program?: URL;
}

/** One version of a model. */
export interface LocalModel {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly isReady: boolean;
}

/** Models in this program, run outside of its event loop. */
export interface LocalModels {
  /** All models, sorted by name and version. */
  readonly models: readonly LocalModel[];
  /** Whether every model can take a call. */
  readonly isReady: boolean;
  /** A model; without a version (or with '') its highest one. */
  find(name: string, version?: string): LocalModel | undefined;
  /**
   * Runs a model once over all rows of its inputs.
   *
   * @throws ModelServerError; inputs are checked first, and nothing runs when they do not fit
   */
  infer(name: string, version: string, inputs: readonly Tensor[], options?: InferOptions): Promise<readonly Tensor[]>;
  /** Ids of the processes that run models. */
  readonly processIds: readonly number[];
  /** Refuses new calls, lets accepted ones finish for `graceMs`, then ends the processes. */
  close(graceMs: number): Promise<void>;
}

/**
 * Loads models. ONNX models run in child processes (`onnxruntime-node` must be installed): a run blocks its thread, cannot be
 * interrupted and takes its process along when it crashes, so none of that happens in the process that answers requests.
 *
 * @throws ModelServerError when one cannot be loaded
 */
export async function createLocalModels(options: LocalModelsOptions): Promise<LocalModels> {
  const entries = options.models.map((model) => ({ ...model, version: model.version ?? '1' }));
  checkEntries(entries);
  const onnx = entries.filter((entry) => entry.runner === undefined);
  const pool =
    onnx.length === 0
      ? null
      : await OnnxPool.create({
          models: onnx.map(({ name, file, bytes }) => ({
            name,
            ...(file === undefined ? {} : { file }),
            ...(bytes === undefined ? {} : { bytes }),
          })),
          threads: options.threads ?? 1,
          intraOpThreads: options.intraOpThreads ?? 1,
          maxQueuedCalls: options.maxQueuedCalls ?? 1024,
          maxRunMs: options.maxRunMs ?? 60_000,
          program: options.program ?? new URL('./onnx/onnx-host.mjs', import.meta.url),
        });
  const runners = new Map<LocalModel, Runner>();
  for (const entry of entries) {
    const runner = entry.runner ?? pool!.runner(onnx.indexOf(entry));
    runners.set(describe(entry.name, entry.version, runner), runner);
  }
  const models = [...runners.keys()].sort((left, right) =>
    left.name === right.name ? compareVersions(left.version, right.version) : left.name < right.name ? -1 : 1,
  );
  let isClosed = false;
  const find = (name: string, version = ''): LocalModel | undefined =>
    models.findLast((model) => model.name === name && (version === '' || model.version === version));
  return {
    models: Object.freeze(models),
    get isReady() {
      return !isClosed && models.every((model) => model.isReady);
    },
    get processIds() {
      return pool?.processIds ?? [];
    },
    find,
    async infer(name, version, inputs, inferOptions = {}) {
      const model = find(name, version);
      if (model === undefined) {
        const known = models.map((candidate) => `${candidate.name} version ${candidate.version}`).join(', ');
        throw new ModelServerError(
          'INFERFLOW_MODEL_SERVER_MODEL_NOT_FOUND',
          `model not found or not loaded: ${name}${version === '' ? '' : ` version ${version}`}. Loaded: ${known}`,
        );
      }
      const outputs = checkOutputs(model, inferOptions.outputs ?? []);
      const checked = checkInputs(model, inputs);
      if (isClosed) throw new ModelServerError('INFERFLOW_MODEL_SERVER_UNAVAILABLE', 'the models were closed');
      return runners.get(model)!.infer(checked, { ...inferOptions, outputs });
    },
    async close(graceMs) {
      isClosed = true;
      await pool?.close(graceMs);
    },
  };
}

function checkEntries(entries: readonly (LocalModelOptions & { readonly version: string })[]): void {
  const seen = new Set<string>();
  for (const { name, version, file, bytes, runner } of entries) {
    const title = `model '${name}' version '${version}'`;
    if (name === '' || version === '')
      throw new ModelServerError('INFERFLOW_MODEL_SERVER_MODEL_INVALID', `${title}: name and version must not be empty`);
    if ([file, bytes, runner].filter((source) => source !== undefined).length !== 1) {
      throw new ModelServerError('INFERFLOW_MODEL_SERVER_MODEL_INVALID', `${title}: expected exactly one of file, bytes and runner`);
    }
    const key = JSON.stringify([name, version]);
    if (seen.has(key)) throw new ModelServerError('INFERFLOW_MODEL_SERVER_MODEL_INVALID', `${title} is there twice`);
    seen.add(key);
  }
}

function describe(name: string, version: string, runner: Runner): LocalModel {
  return {
    name,
    version,
    platform: runner.platform,
    inputs: runner.inputs,
    outputs: runner.outputs,
    get isReady() {
      return runner.isReady;
    },
  };
}

/** Numbers by value, before other texts by letters. */
function compareVersions(left: string, right: string): number {
  const [a, b] = [Number(left), Number(right)];
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) === Number.isNaN(b) ? (left < right ? -1 : 1) : Number.isNaN(a) ? 1 : -1;
  return a - b;
}
