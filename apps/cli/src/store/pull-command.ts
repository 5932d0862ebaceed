import { join } from 'node:path';
import { convertModel, type Dialect, type DocumentFormat, parseModelConfig, parseServiceConfig, readDocument } from '@inferflow/config';
import type { StoredModel, StoredModels } from '@inferflow/config-etcd';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode } from '../command-io.js';
import { InputError } from '../config-input.js';
import { problemText } from '../problem-text.js';
import { type ConnectionFlags, connectionOptions, withConnectionFlags } from './connection-options.js';
import { documentText, modelFileName, refuseSecondFormat, writeFileWhole } from './document-file.js';
import { processSurroundings, type StoreCommandSurroundings } from './push-command.js';
import { reportFailures } from './report-failure.js';

interface PullFlags extends ConnectionFlags {
  readonly all?: boolean;
  readonly out?: string;
  readonly format: DocumentFormat;
  readonly to: Dialect;
}

/** `inferflow pull <id…>|--all`: models as etcd has them, to standard output or a directory that `push`, `lint` and servers read. */
export function createPullCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io, variables } = surroundings;
  return withConnectionFlags(new Command('pull').description('read models from etcd'))
    .argument('[ids...]', 'model config ids')
    .option('--all', 'all models of the service; with --out its settings, too')
    .option('-o, --out <dir>', 'directory to write to (models/<id>.json) instead of standard output')
    .addOption(new Option('-f, --format <format>', 'how to write').choices(['json', 'yaml']).default('json'))
    .addOption(new Option('--to <dialect>', 'dialect to write').choices(['documented', 'deployed']).default('documented'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action((ids: readonly string[], flags: PullFlags) =>
      reportFailures('pull', io, async () => {
        if ((ids.length === 0) === (flags.all !== true)) throw new InputError('give ids of models, or --all');
        const stored = await surroundings.createStore(connectionOptions(flags, variables)).read();
        if (stored.mapProblem !== undefined) throw new InputError(stored.mapProblem.message);
        const found = chosen(stored, ids, flags.all === true);
        const documents = read(found, flags.to, io);
        if (flags.out === undefined) {
          const all = Object.fromEntries(documents);
          if (documents.length > 0) io.out(documentText(ids.length === 1 ? documents[0]?.[1] : all, flags.format));
        } else {
          const isComplete = await writeAll(flags.out, documents, stored, flags, io);
          if (!isComplete) return ExitCode.refused;
        }
        return documents.length === found.length ? ExitCode.ok : ExitCode.refused;
      }),
    );
}

function chosen(stored: StoredModels, ids: readonly string[], isAll: boolean): readonly StoredModel[] {
  if (isAll) return [...stored.models.values()].sort((left, right) => (left.modelConfigId < right.modelConfigId ? -1 : 1));
  return ids.map((id) => {
    const model = stored.models.get(id);
    if (model === undefined) throw new InputError(unknownModel(id, stored.models.keys()));
    return model;
  });
}

/** Names ids that differ by case and dashes only: the likeliest slip. */
export function unknownModel(id: string, known: Iterable<string>): string {
  const fold = (text: string): string => text.replace(/[-_]/g, '').toLowerCase();
  const alike = [...known].filter((other) => fold(other) === fold(id));
  return `etcd has no model ${JSON.stringify(id)}${alike.length === 0 ? '' : `; did you mean ${alike.join(' or ')}?`}`;
}

/** Models that cannot be read are named, and left out. */
function read(models: readonly StoredModel[], to: Dialect, io: CommandIo): readonly (readonly [string, unknown])[] {
  return models.flatMap(({ modelConfigId, document }) => {
    const value = readDocument(document);
    const parsed = 'problem' in value ? { config: null, problems: [value.problem] } : parseModelConfig(modelConfigId, value.value);
    if (parsed.config === null) {
      io.error(`${modelConfigId} cannot be read\n${parsed.problems.map(problemText).join('')}`);
      return [];
    }
    const { document: converted, losses } = convertModel(parsed.config, to);
    if (losses.length > 0) io.error(`${modelConfigId}\n${losses.map(problemText).join('')}`);
    return [[modelConfigId, converted] as const];
  });
}

/** False if the service settings could not be read; why has been written then. */
async function writeAll(
  directory: string,
  documents: readonly (readonly [string, unknown])[],
  stored: StoredModels,
  flags: PullFlags,
  io: CommandIo,
): Promise<boolean> {
  const settings = flags.all !== true || stored.service === undefined ? undefined : readSettings(stored.service, io);
  const files = documents.map(([id, document]) => ({ path: join(directory, 'models', modelFileName(id, flags.format)), document }));
  if (settings) files.push({ path: join(directory, `services.${flags.format}`), document: settings });
  await refuseSecondFormat(files.map(({ path }) => path));
  for (const { path, document } of files) {
    await writeFileWhole(path, documentText(document, flags.format));
    io.out(`${path}\n`);
  }
  return settings !== null;
}

/** `null` if they cannot be read. */
function readSettings(document: NonNullable<StoredModels['service']>, io: CommandIo): object | null {
  const value = readDocument(document);
  const read = 'problem' in value ? { service: null, problems: [value.problem] } : parseServiceConfig(value.value);
  if (read.problems.length > 0) io.error(`service settings\n${read.problems.map(problemText).join('')}`);
  if (read.service === null) return null;
  const { loggingType, compressionEnabled } = read.service;
  return { v2_logging_type: loggingType, compression_enabled: compressionEnabled };
}
