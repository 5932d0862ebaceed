import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type Backends, noBackends, type Registry } from '@inferflow/components';
import { createExpressionEngine, loadExpressions } from '@inferflow/numerix';
import { createLogger, loadPlugins, openRuntime, readEnvironment } from '@inferflow/server';
import type { CommandIo } from '../command-io.js';
import { InputError, readConfigInputs } from '../config-input.js';

/** Where a candidate and what it needs come from. */
export interface CandidateOptions {
  /** File or directory of model configurations. */
  readonly config: string;
  readonly models: 'logged' | 'live';
  /** File of expressions by compute id. */
  readonly expressions?: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** A candidate, ready for an engine. */
export interface Candidate {
  readonly models: Readonly<Record<string, unknown>>;
  readonly backends: Backends;
  readonly registry: Registry;
  readonly compat: boolean;
  close(): Promise<void>;
}

/**
 * Reads a candidate. A directory with a manifest `demo.json` brings its expressions, and for `live` its models, along; otherwise the
 * server's variables say where they are.
 * @throws InputError, ServerStartError
 */
export async function openCandidate(options: CandidateOptions, io: CommandIo): Promise<Candidate> {
  const models: Record<string, unknown> = {};
  for (const { modelConfigId, value, problem, file } of await readConfigInputs(options.config, io)) {
    if (problem !== undefined) throw new InputError(`${file}: ${problem.message}`);
    models[modelConfigId] = value;
  }
  const manifest = manifestOf(options.config);
  const expressions = options.expressions ?? options.variables['INFERFLOW_EXPRESSIONS'] ?? (await expressionsOf(manifest));
  if (options.models === 'live') {
    const environment = readEnvironment({
      INFERFLOW_CONFIG_DIR: (await isDirectory(options.config)) ? options.config : dirname(options.config),
      ...options.variables,
      ...(manifest !== undefined && { INFERFLOW_DEMO: manifest }),
      ...(expressions !== undefined && { INFERFLOW_EXPRESSIONS: expressions }),
    });
    const runtime = await openRuntime(environment, createLogger('ERROR', 'replay'));
    return { models, ...runtime, compat: environment.text('INFERFLOW_COMPAT') === 'go-1.0', close: () => runtime.close() };
  }
  const known = expressions === undefined ? {} : await loadExpressions(expressions);
  const plugins = (options.variables['INFERFLOW_PLUGINS'] ?? '').split(',').filter((name) => name.trim() !== '');
  return {
    models,
    backends: { ...noBackends, expressions: createExpressionEngine({ expressions: known }) },
    registry: await loadPlugins(plugins, process.cwd()),
    compat: options.variables['INFERFLOW_COMPAT'] === 'go-1.0',
    close: async () => {},
  };
}

function manifestOf(config: string): string | undefined {
  const path = join(config, 'demo.json');
  return existsSync(path) ? path : undefined;
}

async function expressionsOf(manifest: string | undefined): Promise<string | undefined> {
  if (manifest === undefined) return undefined;
  const { expressions } = JSON.parse(await readFile(manifest, 'utf8')) as { readonly expressions?: unknown };
  return typeof expressions === 'string' ? resolve(dirname(manifest), expressions) : undefined;
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}
