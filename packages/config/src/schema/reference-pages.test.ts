import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { problemTable } from '../problem-codes.js';
import { fieldTable } from './fields.js';
import { configurationPage, problemsPage } from './reference-pages.js';

const root = new URL('../../../../', import.meta.url);
const page = (name: string) => readFileSync(new URL(`docs/reference/${name}`, root), 'utf8');

function sources(): string {
  // The command line reports what it learns from running model servers.
  const folders = ['packages/config/src/', 'apps/cli/src/lint/'].map((folder) => new URL(folder, root));
  return folders
    .flatMap((folder) => readdirSync(folder, { withFileTypes: true, recursive: true }))
    .filter((entry) => entry.isFile() && !entry.name.includes('.test.') && !['problem-codes.ts', 'fields.ts'].includes(entry.name))
    .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8'))
    .join('\n');
}

describe('the reference pages', () => {
  it('say what the tables say', () => {
    expect(page('configuration.md')).toBe(configurationPage());
    expect(page('config-problems.md')).toBe(problemsPage());
  });

  it('list exactly the codes that are in use', () => {
    const used = new Set(sources().match(/INFERFLOW_CONFIG_[A-Z0-9_]+/g));
    for (const code of ['INFERFLOW_CONFIG_SOURCE_UNAVAILABLE', 'INFERFLOW_CONFIG_SOURCE_STATE', 'INFERFLOW_CONFIG_DIR']) used.delete(code);
    expect([...used].sort()).toEqual(Object.keys(problemTable).sort());
  });

  it('name every field once per object and dialect', () => {
    for (const dialect of ['documented', 'deployed'] as const) {
      const names = fieldTable.flatMap((field) => (field[dialect] === null ? [] : [`${field.object}.${field[dialect].toLowerCase()}`]));
      expect(new Set(names).size).toBe(names.length);
    }
  });
});
