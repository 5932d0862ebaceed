import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DocumentFormat } from '@inferflow/config';
import { stringify as stringifyYaml } from 'yaml';

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

/** Writes beside and renames, so that nobody reads half a file. */
export async function writeFileWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.part`;
  await writeFile(beside, text);
  await rename(beside, path);
}
