import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { builtIns, type ComponentDefinition, createRegistry, type Registry } from '@inferflow/components';
import { ServerStartError } from './errors.js';

/**
 * The registry with the built-in components and those of every plugin module. A module exports `components`, a list of definitions.
 * @param modules package names, resolved from the working directory, or paths
 * @throws ServerStartError that lists every module that cannot be loaded or is refused
 */
export async function loadPlugins(modules: readonly string[], workingDirectory: string): Promise<Registry> {
  const registry = createRegistry();
  for (const definition of builtIns) registry.register(definition);
  const problems: string[] = [];
  for (const name of modules) {
    try {
      for (const definition of await importDefinitions(name, workingDirectory)) registry.register(definition);
    } catch (error) {
      problems.push(`INFERFLOW_PLUGINS: ${name}: ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new ServerStartError('PLUGIN_REFUSED', problems);
  return registry;
}

async function importDefinitions(name: string, workingDirectory: string): Promise<readonly ComponentDefinition[]> {
  const loaded = (await import(moduleUrl(name, workingDirectory))) as { readonly components?: unknown };
  if (!Array.isArray(loaded.components)) throw new Error('expected an export named "components" that lists component definitions');
  return loaded.components as readonly ComponentDefinition[];
}

function moduleUrl(name: string, workingDirectory: string): string {
  const path = resolve(workingDirectory, name);
  if (name.startsWith('.') || name.startsWith('/') || existsSync(path)) return pathToFileURL(path).href;
  return pathToFileURL(createRequire(resolve(workingDirectory, 'plugin.js')).resolve(name)).href;
}
