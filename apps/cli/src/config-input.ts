import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type DocumentFormat,
  listModelFiles,
  modelsIn,
  type Problem,
  parseFileName,
  parseServiceConfig,
  readDocument,
} from '@inferflow/config';
import type { CommandIo } from './command-io.js';

/** One model of an input, or why its document could not be parsed. */
export interface InputModel {
  /** As given, or `stdin`. */
  readonly file: string;
  readonly modelConfigId: string;
  readonly value: unknown;
  readonly problem?: Problem;
  /** What it was read from. */
  readonly source?: InputSource;
}

/** A document, and where in it a model is. */
export interface InputSource {
  readonly text: string;
  readonly format: DocumentFormat;
  /** Keys that lead to the model. */
  readonly prefix: readonly string[];
}

/** A file with its models. */
export interface ConfigInput {
  readonly models: readonly InputModel[];
  /** True if the document was an object of models keyed by id. */
  readonly isWrapped: boolean;
}

/** The input cannot be read at all: a usage error. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** Reads a file, or stdin for `-`: one model's object, or several keyed by id. */
export async function readConfigInput(path: string, io: CommandIo): Promise<ConfigInput> {
  const named = path === '-' ? undefined : parseFileName(basename(path));
  const file = path === '-' ? 'stdin' : path;
  const modelConfigId = named?.modelConfigId ?? (path === '-' ? 'model' : basename(path));
  const content = path === '-' ? await io.readStdin() : await readText(path);
  const format = named?.format ?? guessFormat(content);
  const read = readDocument({ text: content, format });
  const source: InputSource = { text: content, format, prefix: [] };
  if ('problem' in read) {
    // What is too deep to be read is too deep to be pointed into.
    const place = read.problem.code === 'INFERFLOW_CONFIG_TOO_DEEP' ? {} : { source };
    return { models: [{ file, modelConfigId, value: undefined, problem: read.problem, ...place }], isWrapped: false };
  }
  const models = modelsIn(read.value, modelConfigId);
  const isWrapped = models.get(modelConfigId) !== read.value;
  return {
    models: [...models].map(([id, value]) => ({
      file,
      modelConfigId: id,
      value,
      source: isWrapped ? { ...source, prefix: [id] } : source,
    })),
    isWrapped,
  };
}

/** Reads a file, or all model files of a directory (of its folder `models` if it has one). */
export async function readConfigInputs(path: string, io: CommandIo): Promise<readonly InputModel[]> {
  if (path === '-' || !(await isDirectory(path))) return (await readConfigInput(path, io)).models;
  const folder = (await isDirectory(join(path, 'models'), false)) ? join(path, 'models') : path;
  const names = await listModelFiles(folder);
  // Service settings may change alone.
  if ((await readServiceSettings(path, io)) !== undefined && (folder === path || names.length === 0)) return [];
  if (names.length === 0) throw new InputError(`${folder} holds no model files (<model config id>.json, .yaml or .yml)`);
  const found: InputModel[] = [];
  // One after the other: there may be more of them than files that may be open.
  for (const name of names) found.push(...(await readListedFile(join(folder, name), io)).models);
  return refuseSecondFiles(found);
}

/** Servers take neither of two files for one model. */
function refuseSecondFiles(models: readonly InputModel[]): readonly InputModel[] {
  const files = new Map<string, string[]>();
  for (const { modelConfigId, file } of models) files.set(modelConfigId, [...(files.get(modelConfigId) ?? []), file]);
  return models.map((model) => {
    const names = files.get(model.modelConfigId)?.map((file) => basename(file)) ?? [];
    return names.length < 2 ? model : { ...model, problem: twoFilesProblem('the model is', names) };
  });
}

function twoFilesProblem(what: string, names: readonly string[]): Problem {
  const message = `${what} defined by ${names.map((name) => JSON.stringify(name)).join(' and ')}`;
  return { severity: 'error', code: 'INFERFLOW_CONFIG_TWO_FILES', path: '$', message, expected: 'one file' };
}

/** The models of an input, or the one of them that is wanted. @throws InputError if there is none */
export async function readWantedModels(path: string, id: string | undefined, io: CommandIo): Promise<readonly InputModel[]> {
  const models = (await readConfigInputs(path, io)).filter(({ modelConfigId }) => id === undefined || modelConfigId === id);
  if (models.length === 0) throw new InputError(`${path} holds no model${id === undefined ? '' : ` ${JSON.stringify(id)}`}`);
  return models;
}

/** One that is named may be a pipe, such as a shell makes of `<(…)`; nobody writes into one that lies in a directory. */
async function readListedFile(path: string, io: CommandIo): Promise<ConfigInput> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && !found.isFile()) throw new InputError(`${path} cannot be read: it is no regular file`);
  return readConfigInput(path, io);
}

/** The service settings beside a directory's models with what is wrong in them, undefined without any. */
export async function checkServiceSettings(
  path: string,
  io: CommandIo,
): Promise<{ readonly input: InputModel; readonly problems: readonly Problem[] } | undefined> {
  const input = await readServiceSettings(path, io);
  if (input === undefined) return undefined;
  return { input, problems: input.problem === undefined ? settingProblems(input.value) : [input.problem] };
}

/** What is wrong with service settings that somebody is writing. Servers only warn of a logging type that they do not know, and log nothing. */
export function settingProblems(value: unknown): readonly Problem[] {
  return parseServiceConfig(value).problems.map((problem) =>
    problem.code === 'INFERFLOW_CONFIG_LOGGING_TYPE' ? { ...problem, severity: 'error' } : problem,
  );
}

const settingsNames = ['services.json', 'services.yaml', 'services.yml'];

/** The service settings of a configuration directory: beside its folder of models, or alone. Undefined without any. */
export async function readServiceSettings(path: string, io: CommandIo): Promise<InputModel | undefined> {
  if (path === '-' || !(await isDirectory(path))) return undefined;
  const hasFolder = await isDirectory(join(path, 'models'), false);
  if (!hasFolder && !(await listModelFiles(path)).every((name) => settingsNames.includes(name))) return undefined;
  const names: string[] = [];
  for (const name of settingsNames) if (await isFile(join(path, name))) names.push(name);
  const [name] = names;
  if (name === undefined) return undefined;
  const settings = (await readConfigInput(join(path, name), io)).models[0];
  return names.length === 1 || settings === undefined ? settings : { ...settings, problem: twoFilesProblem('the settings are', names) };
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** @throws InputError if it must exist and does not */
export async function isDirectory(path: string, mustExist = true): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    if (!mustExist) return false;
    throw new InputError(`${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** @throws InputError that names the file */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new InputError(`${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/** Without a telling file name: a JSON object begins with a brace. */
function guessFormat(content: string): DocumentFormat {
  return content.trimStart().startsWith('{') || content.trim() === '' ? 'json' : 'yaml';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
