import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createProblem } from '../parse/parse-context.js';
import type { ConfigDocument, DocumentFormat } from './model-document.js';

/** A file's identity and content marker: any write or replacement changes it. */
export interface FileStamp {
  readonly signature: string;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
}

/** Formats by file name ending. */
const formats: Readonly<Record<string, DocumentFormat>> = { '.json': 'json', '.yaml': 'yaml', '.yml': 'yaml' };

/** The model id and format that a file name stands for, undefined for files of others. */
export function parseFileName(name: string): { readonly modelConfigId: string; readonly format: DocumentFormat } | undefined {
  const dot = name.lastIndexOf('.');
  const format = formats[name.slice(dot)];
  // `.#name` is an editor's lock.
  if (dot <= 0 || format === undefined || name.startsWith('.#')) return undefined;
  return { modelConfigId: decodeName(name.slice(0, dot)), format };
}

/** Names of the files in a directory that hold models. */
export async function listModelFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory);
  return names.filter((name) => parseFileName(name) !== undefined).sort();
}

/** Undefined if there is no such file. Links are followed. */
export async function stampFile(path: string): Promise<FileStamp | undefined> {
  try {
    const { ino, size, mtimeNs, ctimeNs, mtimeMs } = await stat(path, { bigint: true });
    return { signature: `${ino}.${size}.${mtimeNs}.${ctimeNs}`, modifiedAt: Number(mtimeMs) };
  } catch (error) {
    return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
      ? undefined
      : { signature: `unreadable ${codeOf(error)}`, modifiedAt: 0 };
  }
}

/** The document in a file; undefined if the file is gone, a problem if it cannot be read. */
export async function readConfigFile(directory: string, name: string, format: DocumentFormat): Promise<ConfigDocument | undefined> {
  const path = join(directory, name);
  try {
    // Opening a pipe would wait for whoever writes into it.
    if (!(await stat(path)).isFile()) return unreadable(name, 'it is no regular file');
    return { text: await readFile(path, 'utf8'), format };
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? undefined : unreadable(name, codeOf(error));
  }
}

function unreadable(name: string, reason: string): ConfigDocument {
  return { problem: createProblem('INFERFLOW_CONFIG_UNREADABLE', '$', `file ${JSON.stringify(name)} cannot be read (${reason})`) };
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
