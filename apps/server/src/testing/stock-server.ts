import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from '../create-server.js';
import { readEnvironment } from '../env.js';
import { createLogger } from '../logger.js';
import type { WorkerLink } from '../workers/worker-link.js';

/** The stock server in this process, on a free port of the loopback, with what it logged. */
export interface StockServer {
  readonly server: Server;
  readonly port: number;
  readonly directory: string;
  /** Parsed log lines so far. */
  lines(): readonly Readonly<Record<string, unknown>>[];
  /** Adds, replaces or (undefined) removes a model. */
  setModel(modelConfigId: string, model: object | undefined): void;
  close(): Promise<void>;
}

/** Starts it on a configuration directory with these models. */
export async function startStockServer(
  models: Readonly<Record<string, object>>,
  environment: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
  link: WorkerLink | null = null,
): Promise<StockServer> {
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-server-'));
  mkdirSync(join(directory, 'models'));
  const text: string[] = [];
  const setModel = (id: string, model: object | undefined): void => {
    const path = join(directory, 'models', `${id}.json`);
    if (model === undefined) rmSync(path);
    else writeFileSync(path, JSON.stringify(model));
  };
  for (const [id, model] of Object.entries(models)) setModel(id, model);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  const inDirectory = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, value.replaceAll('$DIR', directory)]));
  const logger = createLogger('DEBUG', 'test', { write: (line: string) => void text.push(line) });
  try {
    const settings = { APP_PORT: '0', INFERFLOW_HOST: '127.0.0.1', INFERFLOW_CONFIG_DIR: directory, INFERFLOW_SHUTDOWN_GRACE_MS: '100' };
    const server = await createServer(readEnvironment({ ...settings, ...inDirectory }), logger, link);
    return {
      server,
      port: server.port,
      directory,
      lines: () => text.map((line) => JSON.parse(line)),
      setModel,
      async close() {
        await server.shutdown();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}
