import { join } from 'node:path';
import { checkModelConfig, convertModel, hasErrors, type ModelConfig, parseServiceConfig, readDocument } from '@inferflow/config';
import { configBase } from '@inferflow/config-etcd';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode } from '../command-io.js';
import { InputError, readConfigInputs, readServiceSettings, settingProblems } from '../config-input.js';
import { problemText } from '../problem-text.js';
import { appNameOf, type ConnectionFlags, connectionOptions, withConnectionFlags } from '../store/connection-options.js';
import { writeFileWhole } from '../store/document-file.js';
import { processSurroundings, type StoreCommandSurroundings } from '../store/push-command.js';
import { reportFailures } from '../store/report-failure.js';
import { badIdProblem } from './import-deployment.js';
import { notForGo } from './not-for-go.js';

interface ExportFlags extends ConnectionFlags {
  readonly out?: string;
  readonly dump?: string;
  readonly format: 'json' | 'lines';
}

/** A key and its value, as the Go service reads them. */
interface ExportedKey {
  readonly key: string;
  readonly text: string;
}

/** `inferflow export [path]`: models in the deployed dialect, under the keys of the Go service: a folder with a file for each key, or a dump. */
export function createExportCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io } = surroundings;
  return withConnectionFlags(new Command('export').description('write models for the Go service: deployed dialect, its keys'))
    .argument('[path]', 'a model file, a directory, or - for stdin; without it, all models of the service in etcd')
    .option('-o, --out <dir>', 'write a file for each key below this folder')
    .option('--dump <file>', 'write a dump, as etcdctl get --prefix prints it; - for standard output, the default')
    .addOption(new Option('-f, --format <format>', 'of the dump').choices(['json', 'lines']).default('json'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action((path: string | undefined, flags: ExportFlags) =>
      reportFailures('export', io, async () => {
        const base = configBase(appNameOf(flags, surroundings.variables));
        const { values, settings } = path === undefined ? await fromEtcd(flags, surroundings) : await fromFiles(path, io);
        if (values.size === 0) throw new InputError('there is no model to export');
        const configs = readModels(values, io);
        const ofSettings = exportSettings(base, settings, io);
        const keys = [...configs.map((config) => exportModel(base, config, io)), ...(ofSettings ?? [])];
        if (flags.out !== undefined) for (const { key, text } of keys) await writeFileWhole(join(flags.out, key), `${text}\n`);
        const text = flags.format === 'json' ? dumpJson(keys) : keys.map((entry) => `${entry.key}\n${entry.text}\n`).join('');
        if (flags.dump !== undefined && flags.dump !== '-') await writeFileWhole(flags.dump, text);
        if (flags.dump === '-' || (flags.dump === undefined && flags.out === undefined)) io.out(text);
        return configs.length === values.size && ofSettings !== undefined ? ExitCode.ok : ExitCode.refused;
      }),
    );
}

interface ExportedInput {
  readonly values: ReadonlyMap<string, unknown>;
  readonly settings: ReturnType<typeof readDocument> | undefined;
}

async function fromFiles(path: string, io: CommandIo): Promise<ExportedInput> {
  const inputs = await readConfigInputs(path, io);
  const broken = inputs.find(({ problem }) => problem !== undefined);
  if (broken !== undefined) throw new InputError(`${broken.file}: ${broken.problem?.message}`);
  const settings = await readServiceSettings(path, io);
  return {
    values: new Map(inputs.map(({ modelConfigId, value }) => [modelConfigId, value])),
    settings: settings?.problem === undefined ? settings : { problem: settings.problem },
  };
}

async function fromEtcd(flags: ExportFlags, { createStore, variables }: StoreCommandSurroundings): Promise<ExportedInput> {
  const { models, service, mapProblem } = await createStore(connectionOptions(flags, variables)).read();
  if (mapProblem !== undefined) throw new InputError(mapProblem.message);
  const values = new Map<string, unknown>();
  for (const [id, { document }] of models) {
    const read = readDocument(document);
    values.set(id, 'problem' in read ? read.problem.message : read.value);
  }
  return { values, settings: service === undefined ? undefined : readDocument(service) };
}

function readModels(values: ReadonlyMap<string, unknown>, io: CommandIo): readonly ModelConfig[] {
  return [...values].flatMap(([id, value]) => {
    const badId = badIdProblem(id);
    const { config, problems } = badId === undefined ? checkModelConfig(id, value) : { config: null, problems: [badId] };
    if (config === null)
      io.error(
        `${id} cannot be exported\n${problems
          .filter(({ severity }) => severity === 'error')
          .map(problemText)
          .join('')}`,
      );
    return config ?? [];
  });
}

function exportModel(base: string, config: ModelConfig, io: CommandIo): ExportedKey {
  const { document, losses } = convertModel(config, 'deployed');
  const missed = notForGo(config);
  const notes = missed.map((note) => `  the Go service cannot: ${note}\n`);
  if (losses.length > 0 || notes.length > 0) io.error(`${config.modelConfigId}\n${losses.map(problemText).join('')}${notes.join('')}`);
  return { key: `${base}/config-map/${config.modelConfigId}`, text: JSON.stringify(document) };
}

/** Undefined if they cannot be exported; why has been written then. */
function exportSettings(base: string, settings: ExportedInput['settings'], io: CommandIo): readonly ExportedKey[] | undefined {
  if (settings === undefined) return [];
  const problems = 'problem' in settings ? [settings.problem] : settingProblems(settings.value);
  if (problems.length > 0) io.error(`service settings\n${problems.map(problemText).join('')}`);
  if ('problem' in settings || hasErrors(problems)) return undefined;
  const { loggingType, compressionEnabled } = parseServiceConfig(settings.value).service;
  const text = JSON.stringify({ 'v2-logging-type': loggingType, 'compression-enabled': compressionEnabled });
  return [{ key: `${base}/service-config`, text }];
}

function dumpJson(keys: readonly ExportedKey[]): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  const kvs = keys.map(({ key, text }) => ({ key: encode(key), value: encode(text) }));
  return `${JSON.stringify({ kvs, count: kvs.length })}\n`;
}
