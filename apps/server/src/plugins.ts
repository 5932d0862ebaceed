import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
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
  const require = createRequire(resolve(workingDirectory, 'plugin.js'));
  try {
    return pathToFileURL(require.resolve(name)).href;
  } catch (error) {
    const entry = importOnlyEntry(name, require);
    if (entry === undefined) throw error;
    return pathToFileURL(entry).href;
  }
}

/** The entry of a package that offers itself to `import` alone, which `require.resolve` does not see. */
function importOnlyEntry(name: string, require: NodeJS.Require): string | undefined {
  for (const folder of require.resolve.paths(name) ?? []) {
    const manifest = join(folder, name, 'package.json');
    if (!existsSync(manifest)) continue;
    const { exports } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly exports?: unknown };
    const entry = importTarget(isRecord(exports) && '.' in exports ? exports['.'] : exports);
    return entry === undefined ? undefined : join(folder, name, entry);
  }
  return undefined;
}

function importTarget(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (!isRecord(target)) return undefined;
  for (const [condition, value] of Object.entries(target)) {
    const found = ['import', 'node', 'module-sync', 'default'].includes(condition) ? importTarget(value) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
