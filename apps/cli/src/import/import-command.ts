import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DocumentFormat } from '@inferflow/config';
import type { StoredModels } from '@inferflow/config-etcd';
import { Command, Option } from 'commander';
import { ExitCode } from '../command-io.js';
import { InputError } from '../config-input.js';
import { type ConnectionFlags, connectionOptions, namesEtcd, withConnectionFlags } from '../store/connection-options.js';
import { documentText, modelFileName, refuseSecondFormat, writeFileWhole } from '../store/document-file.js';
import { processSurroundings, type StoreCommandSurroundings } from '../store/push-command.js';
import { reportFailures } from '../store/report-failure.js';
import { type Imported, importDeployment } from './import-deployment.js';
import { importReportJson, importReportText } from './import-report.js';
import { type Deployment, readDeployment } from './read-deployment.js';

interface ImportFlags extends ConnectionFlags {
  readonly out?: string;
  readonly report?: string;
  readonly format: 'human' | 'json';
  readonly files: DocumentFormat;
}

/**
 * `inferflow import <dump|prefix|folder>`: a deployment of the Go service in the documented dialect, scoring as it did, with a report.
 * Exit status 0: everything was taken; 1: a model was not; 2: usage; 4: etcd.
 */
export function createImportCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io } = surroundings;
  return withConnectionFlags(new Command('import').description('take the models of a Go deployment over, with a report'))
    .argument(
      '[source]',
      'a dump of etcd, a folder, a file or - for stdin; a prefix in etcd; without it, all models of the service in etcd',
    )
    .option('-o, --out <dir>', 'directory to write to: models/<id>.json, services.json')
    .option('--report <file>', 'write the report there too, as JSON')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['human', 'json']).default('human'))
    .addOption(new Option('--files <format>', 'how to write models').choices(['json', 'yaml']).default('json'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action((source: string | undefined, flags: ImportFlags) =>
      reportFailures('import', io, async () => {
        const imported = importDeployment(await deploymentOf(source, flags, surroundings));
        if (flags.out !== undefined) await writeImported(flags.out, imported, flags.files);
        if (flags.report !== undefined) await writeFileWhole(flags.report, importReportJson(imported));
        io.out(flags.format === 'json' ? importReportJson(imported) : importReportText(imported));
        if (flags.out === undefined && flags.format === 'human') io.out('nothing was written: give --out <dir>\n');
        const written = flags.out !== undefined && flags.format === 'human';
        if (written) io.out(nextSteps(flags.out ?? '', imported));
        return imported.isComplete && imported.models.length > 0 ? ExitCode.ok : ExitCode.refused;
      }),
    );
}

async function deploymentOf(source: string | undefined, flags: ImportFlags, surroundings: StoreCommandSurroundings): Promise<Deployment> {
  if (source !== undefined && (source === '-' || (await exists(source)))) return readDeployment(source, flags.app, surroundings.io);
  const { variables } = surroundings;
  if (source !== undefined && !source.startsWith('/')) throw new InputError(`${source} cannot be read: there is no such file or folder`);
  if (source !== undefined && !namesEtcd(flags, variables)) {
    throw new InputError(`there is no file or folder ${source}; to read it as a prefix, say where etcd is with --etcd or ETCD_SERVER`);
  }
  const options = connectionOptions(flags, variables);
  const readBase = (base: string | undefined) => surroundings.createStore({ ...options, ...(base !== undefined && { base }) });
  const store = readBase(source === undefined ? undefined : (baseIn(source) ?? source.replace(/\/+$/, '')));
  const found = await store.read();
  if (source === undefined || found.models.size > 0 || found.mapProblem !== undefined) return deploymentIn(store.base, found);
  const base = baseBelow(source, found.ignoredKeys, flags.app);
  return deploymentIn(base, await readBase(base).read());
}

function deploymentIn(base: string, { models, service, ignoredKeys, mapProblem }: StoredModels): Deployment {
  return {
    from: `etcd, ${base}`,
    models: new Map([...models].map(([id, { document }]) => [id, document])),
    ...{ service, ignoredKeys, problem: mapProblem?.message },
  };
}

function baseIn(key: string): string | undefined {
  return /^(.*\/model-config)(?:\/|$)/.exec(key)?.[1];
}

/** A prefix of several services, or of a namespace: the base below it. */
function baseBelow(prefix: string, keys: readonly string[], app: string | undefined): string {
  const bases = [...new Set(keys.flatMap((key) => baseIn(key) ?? []))];
  const wanted = app === undefined ? bases : bases.filter((base) => base.endsWith(`/${app}/model-config`));
  const [base, ...others] = wanted;
  if (base !== undefined && others.length === 0) return base;
  if (bases.length === 0) throw new InputError(`there is no file or folder ${prefix}, and no model under this prefix in etcd`);
  throw new InputError(`name one of the services under ${prefix} with --app: ${bases.join(', ')}`);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function writeImported(directory: string, { models, service }: Imported, format: DocumentFormat): Promise<void> {
  const files = models
    .filter(({ config }) => config !== null)
    .map(({ modelConfigId, document }) => ({ path: join(directory, 'models', modelFileName(modelConfigId, format)), document }));
  if (service !== null && service.document !== null)
    files.push({ path: join(directory, `services.${format}`), document: service.document });
  await refuseSecondFormat(files.map(({ path }) => path));
  for (const { path, document } of files) await writeFileWhole(path, documentText(document, format));
}

function nextSteps(directory: string, { models }: Imported): string {
  const count = models.filter(({ config }) => config !== null).length;
  return `\nwrote ${count} model${count === 1 ? '' : 's'} to ${directory}. Check them: inferflow lint ${directory}. Serve them from there (INFERFLOW_CONFIG_DIR), or write them to etcd: inferflow push ${directory}\n`;
}
