import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { createFeatureStoreHandler, createMemoryFeatureStore } from '@inferflow/feature-store';
import { createLocalModels, createModelHandler, findModels } from '@inferflow/model-server';
import { createExpressionEngine, type ExpressionEngine, loadExpressions } from '@inferflow/numerix';
import { createLocalUpstream } from '@inferflow/transport';
import type { LocalServices } from './backends.js';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';

/** What runs in this process beside the engine. */
export interface Embedded {
  readonly services: LocalServices;
  /** Names of the models that endpoint `local` has; null: it has none. */
  readonly modelNames: readonly string[] | null;
  /** The model configurations of a demo. */
  readonly configDirectory: string | undefined;
  /** Whether the demo's manifest is in force: unset hosts then mean `local`. */
  readonly isDemo: boolean;
  readonly descriptions: readonly string[];
  close(graceMs: number): Promise<void>;
}

/** The demo this server ships with, when its package is there. */
const demoModule = '@inferflow/example-movies/demo.json';

/** Files of an embedded set-up; relative names start from the manifest. */
interface Manifest {
  readonly featureStore?: string;
  readonly models?: string;
  readonly expressions?: string;
  readonly config?: string;
}

/**
 * Loads what is embedded: the demo when nothing says where configurations come from, single services where a variable names their files.
 * @throws ServerStartError naming every variable or file that is not usable
 */
export async function loadEmbedded(environment: Environment): Promise<Embedded> {
  const isDemo = environment.isSet('INFERFLOW_DEMO') || !(environment.isSet('ETCD_SERVER') || environment.isSet('INFERFLOW_CONFIG_DIR'));
  const manifestPath = isDemo ? demoPath(environment) : undefined;
  const manifest = manifestPath === undefined ? {} : readManifest(manifestPath);
  const directory = manifestPath === undefined ? process.cwd() : dirname(manifestPath);
  const pathOf = (
    variable: 'INFERFLOW_FEATURE_STORE' | 'INFERFLOW_MODELS_DIR' | 'INFERFLOW_EXPRESSIONS',
    fromManifest: string | undefined,
  ): string | undefined => environment.text(variable) ?? (fromManifest === undefined ? undefined : resolve(directory, fromManifest));

  const problems: string[] = [];
  const descriptions: string[] = [];
  const load = async <T>(what: string, path: string | undefined, loader: (path: string) => Promise<T>): Promise<T | null> => {
    if (path === undefined) return null;
    try {
      const loaded = await loader(path);
      descriptions.push(`embedded ${what}: ${path}`);
      return loaded;
    } catch (error) {
      problems.push(`embedded ${what}: ${(error as Error).message}`);
      return null;
    }
  };
  const store = await load('feature store', pathOf('INFERFLOW_FEATURE_STORE', manifest.featureStore), (schema) =>
    createMemoryFeatureStore({ schema }),
  );
  const models = await load('models', pathOf('INFERFLOW_MODELS_DIR', manifest.models), async (folder) =>
    createLocalModels({ models: await findModels(folder), threads: environment.number('INFERFLOW_MODEL_THREADS') }),
  );
  const expressions = await load('expressions', pathOf('INFERFLOW_EXPRESSIONS', manifest.expressions), loadExpressions);
  if (problems.length > 0) {
    await models?.close(0);
    throw new ServerStartError('BACKEND_MISSING', problems);
  }
  return {
    isDemo,
    descriptions,
    modelNames: models === null ? null : models.models.map(({ name }) => name),
    configDirectory: manifest.config === undefined ? undefined : resolve(directory, manifest.config),
    services: {
      featureStore: store === null ? null : createLocalUpstream('feature_store', createFeatureStoreHandler(store)),
      models: models === null ? null : createLocalUpstream('model', createModelHandler(models)),
      // Always there: a model may bring its expressions along in its configuration.
      expressions: createExpressionEngine({ expressions: expressions ?? {} }) satisfies ExpressionEngine,
    },
    close: async (graceMs) => models?.close(graceMs),
  };
}

function demoPath(environment: Environment): string {
  const given = environment.text('INFERFLOW_DEMO');
  if (given !== undefined) return resolve(given);
  try {
    return createRequire(import.meta.url).resolve(demoModule);
  } catch (error) {
    throw new ServerStartError(
      'CONFIG_UNAVAILABLE',
      ['no source of model configurations: set INFERFLOW_CONFIG_DIR or ETCD_SERVER (the demo that is served otherwise is not installed)'],
      { cause: error },
    );
  }
}

function readManifest(path: string): Manifest {
  const fail = (reason: string): never => {
    throw new ServerStartError('BACKEND_MISSING', [`INFERFLOW_DEMO: ${path}: ${reason}`]);
  };
  if (!existsSync(path)) return fail('there is no such file');
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    return fail(`not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('expected an object');
  for (const name of ['featureStore', 'models', 'expressions', 'config']) {
    const entry = (value as Record<string, unknown>)[name];
    if (entry !== undefined && typeof entry !== 'string') return fail(`"${name}": expected a path`);
  }
  return value as Manifest;
}
