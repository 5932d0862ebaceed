import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelServerError } from './errors.js';
import type { LocalModelOptions } from './local-models.js';

/**
 * The models of a directory: every `<name>.onnx` in it, as version 1. Other files and folders are left alone.
 *
 * @throws ModelServerError INFERFLOW_MODEL_SERVER_MODEL_INVALID when it cannot be read or holds no model
 */
export async function findModels(directory: string): Promise<LocalModelOptions[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (cause) {
    throw new ModelServerError(
      'INFERFLOW_MODEL_SERVER_MODEL_INVALID',
      `model directory ${directory} cannot be read: ${cause instanceof Error ? cause.message : ''}`,
      cause,
    );
  }
  const models: LocalModelOptions[] = [];
  for (const name of names.sort()) {
    if (!name.endsWith('.onnx') || name.startsWith('.')) continue;
    const file = join(directory, name);
    // What cannot be looked at, such as a link to nothing, is named when it is loaded.
    const isFolder = await stat(file).then(
      (entry) => entry.isDirectory(),
      () => false,
    );
    if (!isFolder) models.push({ name: name.slice(0, -'.onnx'.length), file });
  }
  if (models.length === 0)
    throw new ModelServerError(
      'INFERFLOW_MODEL_SERVER_MODEL_INVALID',
      `model directory ${directory}: expected at least one file that ends in .onnx`,
    );
  return models;
}
