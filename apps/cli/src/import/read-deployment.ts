import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConfigDocument } from '@inferflow/config';
import { storedModels } from '@inferflow/config-etcd';
import type { CommandIo } from '../command-io.js';
import { InputError, readConfigInputs, readServiceSettings } from '../config-input.js';
import { type DumpEntry, looksLikeDump, parseDump } from './parse-dump.js';

/** What was found in a deployment, in whatever form it came. */
export interface Deployment {
  /** One line, for the report. */
  readonly from: string;
  readonly models: ReadonlyMap<string, ConfigDocument>;
  readonly service: ConfigDocument | undefined;
  /** Keys that mean nothing here. */
  readonly ignoredKeys: readonly string[];
  /** Set if no model can be read at all. */
  readonly problem: string | undefined;
}

/**
 * Reads a dump, a folder of keys, or a directory or file of models.
 * @param app the service to take where there are several
 * @throws InputError if it cannot be read, or is none of these
 */
export async function readDeployment(path: string, app: string | undefined, io: CommandIo): Promise<Deployment> {
  if (path === '-') return fromContent(await io.readStdin(), 'stdin', path, app, io);
  const found = await stat(path).catch((cause: Error) => {
    throw new InputError(`${path} cannot be read: ${cause.message}`, { cause });
  });
  if (!found.isDirectory()) return fromContent(await readFile(path, 'utf8'), path, path, app, io);
  const entries = await folderEntries(path);
  return entries === undefined ? fromModelFiles(path, io) : fromEntries(entries, path, app);
}

async function fromContent(content: string, name: string, path: string, app: string | undefined, io: CommandIo): Promise<Deployment> {
  if (looksLikeDump(content)) return fromEntries(parseDump(content, name), name, app);
  if (!/^\s*(?:\{|[\w"-]+\s*:)/.test(content)) parseDump(content, name);
  return fromModelFiles(path, path === '-' ? { ...io, readStdin: async () => content } : io);
}

async function fromModelFiles(path: string, io: CommandIo): Promise<Deployment> {
  const inputs = await readConfigInputs(path, io);
  const service = await readServiceSettings(path, io);
  const documentOf = ({ value, problem }: (typeof inputs)[number]): ConfigDocument => (problem === undefined ? { value } : { problem });
  return {
    from: path === '-' ? 'stdin' : path,
    models: new Map(inputs.map((input) => [input.modelConfigId, documentOf(input)])),
    service: service === undefined ? undefined : documentOf(service),
    ignoredKeys: [],
    problem: undefined,
  };
}

const basePattern = /^(.*\/services\/([^/]+)\/model-config)(?:\/|$)/;
/** Stands for the base of keys that are written without one. */
const RELATIVE_BASE = '/model-config';

/** What keys say, below the base of one service. */
export function fromEntries(entries: readonly DumpEntry[], name: string, app: string | undefined): Deployment {
  const bases = new Map<string, string>();
  for (const { key } of entries) {
    const [, base, service] = basePattern.exec(key) ?? [];
    if (base !== undefined && service !== undefined) bases.set(base, service);
  }
  const wanted = [...bases].filter(([, service]) => app === undefined || service === app);
  if (bases.size > 0 && wanted.length === 0)
    throw new InputError(`${name} has no service ${JSON.stringify(app)}; it has ${[...bases.values()].join(', ')}`);
  if (wanted.length > 1) {
    const services = wanted.map(([base, service]) => `${service} (${base})`).join(', ');
    throw new InputError(`${name} holds several services: name one with --app, or dump one prefix only: ${services}`);
  }
  const base = wanted[0]?.[0] ?? RELATIVE_BASE;
  const absolute = entries.map(({ key, text }) => ({
    key: bases.size > 0 ? key : `${base}/${key.replace(/^(?:.*\/)?model-config\/|^\//, '')}`,
    text,
  }));
  const { models, service, mapProblem, ignoredKeys } = storedModels(base, {
    entries: absolute.map((entry) => ({ ...entry, createRevision: 0, modRevision: 0 })),
    revision: 0,
  });
  return {
    from: bases.size > 0 ? `${name}, ${base}` : name,
    models: new Map([...models].map(([id, { document }]) => [id, document])),
    service,
    ignoredKeys,
    problem: mapProblem?.message,
  };
}

/** Keys of a folder in which every file is a key; undefined if its files are something else. */
async function folderEntries(root: string): Promise<readonly DumpEntry[] | undefined> {
  const paths = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.replace(/\/+$/, '').length + 1));
  const isKey = (path: string): boolean =>
    /(?:^|\/)model-config\//.test(path) || /^(?:config-?map|service-?config)(?:\/|\.json$|$)/i.test(path);
  const keys = paths.filter(isKey).sort();
  if (keys.length === 0) return undefined;
  return Promise.all(
    keys.map(async (path) => {
      const key = path.replace(/\.(?:json|txt)$/, '');
      return { key: basePattern.test(`/${key}`) ? `/${key}` : key, text: await readFile(join(root, path), 'utf8') };
    }),
  );
}
