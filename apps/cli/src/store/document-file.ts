import { lstat, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import type { DocumentFormat } from '@inferflow/config';
import { stringify as stringifyYaml } from 'yaml';
import { InputError } from '../config-input.js';

/** A value as the text of a file. */
export function documentText(value: unknown, format: DocumentFormat): string {
  // Objects without a prototype are written like all others.
  const plain: unknown = JSON.parse(JSON.stringify(value));
  return format === 'json' ? `${JSON.stringify(plain, null, 2)}\n` : stringifyYaml(plain, { lineWidth: 0 });
}

/** The file of a model in a directory that servers read. */
export function modelFileName(modelConfigId: string, format: DocumentFormat): string {
  return `${encodeURIComponent(modelConfigId)}.${format}`;
}

const documentExtensions = ['.json', '.yaml', '.yml'];

/**
 * Servers take neither of two files for one model, nor of two with the service settings.
 * @param paths of documents that are about to be written
 * @throws InputError if a document of the same name, in another format, is there
 */
export async function refuseSecondFormat(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const written = extname(path);
    for (const other of documentExtensions) {
      const beside = `${path.slice(0, -written.length)}${other}`;
      if (other === written || (await lstat(beside).catch(() => undefined)) === undefined) continue;
      throw new InputError(`${beside} is there and would contradict ${path}: remove it, or write its format. No document was written`);
    }
  }
}

/**
 * Writes beside and renames, so that nobody reads half a file. A pipe, a device or a link that is there is written to.
 * @throws InputError if it cannot be written; what was there is there still
 */
export async function writeFileWhole(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const found = await lstat(path).catch(() => undefined);
    await (found === undefined || found.isFile() ? replaceFile(path, text) : writeFile(path, text));
  } catch (cause) {
    throw new InputError(`${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.${process.pid}.part`;
  try {
    await writeFile(beside, text);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
