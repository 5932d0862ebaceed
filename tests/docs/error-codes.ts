import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '../..');

/** Stable codes that `errors.ts` of every package and app declares, and the problem codes of configurations. */
export function declaredCodes(): ReadonlySet<string> {
  const codes = new Set<string>();
  for (const folder of [...foldersOf('packages'), ...foldersOf('apps')]) {
    for (const file of ['src/errors.ts', 'src/problem-codes.ts']) {
      const path = join(folder, file);
      if (existsSync(path)) for (const code of codesIn(readFileSync(path, 'utf8'))) codes.add(code);
    }
  }
  return codes;
}

/** Codes of warnings that sources hand to `process.emitWarning`. */
export function warningCodes(): ReadonlySet<string> {
  return new Set(
    [...sourceTexts()].flatMap(([, text]) => [...text.matchAll(/emitWarning\([^;]*code: '(INFERFLOW_\w+)'/g)].map(([, code]) => code!)),
  );
}

/** Codes that sources other than tests name, with a file that does. */
export function usedCodes(): ReadonlyMap<string, string> {
  const used = new Map<string, string>();
  for (const [file, text] of sourceTexts()) {
    for (const [, code] of text.matchAll(/'(INFERFLOW_[A-Z]+_[A-Z_]+)'/g)) used.set(code!, file);
  }
  return used;
}

/** Sources other than tests, without comments. */
function* sourceTexts(): Generator<readonly [file: string, text: string]> {
  for (const folder of [...foldersOf('packages'), ...foldersOf('apps')]) {
    const sources = join(folder, 'src');
    if (!existsSync(sources)) continue;
    for (const name of readdirSync(sources, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts') || name.endsWith('.test.ts') || name.startsWith('gen')) continue;
      const file = join(sources, name);
      yield [relative(root, file), withoutComments(readFileSync(file, 'utf8'))];
    }
  }
}

function codesIn(source: string): readonly string[] {
  const text = withoutComments(source);
  const whole = [...text.matchAll(/\bINFERFLOW_[A-Z0-9_]*[A-Z0-9]\b/g)].map(([code]) => code);
  // A family may be written as a union of last parts behind a template: `INFERFLOW_SERVER_${Code}`.
  const [, prefix, union] = /`(INFERFLOW_[A-Z_]+_)\$\{(\w+)\}`/.exec(text) ?? [];
  if (prefix === undefined || union === undefined) return whole;
  const [, parts = ''] = new RegExp(`type ${union} =([^;]+);`).exec(text) ?? [];
  return [...whole, ...[...parts.matchAll(/'([A-Z_]+)'/g)].map(([, part]) => prefix + part)];
}

/** Members of a union of texts or keys of a constant object in one source file. */
export function declaredMembers(file: string, name: string): readonly string[] {
  const text = withoutComments(readFileSync(join(root, file), 'utf8'));
  const union = new RegExp(`type ${name} =([^;]+);`).exec(text)?.[1];
  const keys = new RegExp(`const ${name} = \\{([^}]+)\\}`).exec(text)?.[1];
  if (keys !== undefined) return [...keys.matchAll(/(\w+):/g)].map(([, key]) => key!);
  return [...(union ?? '').matchAll(/'([^']+)'/g)].map(([, member]) => member!);
}

function foldersOf(group: string): readonly string[] {
  return readdirSync(join(root, group)).map((name) => join(root, group, name));
}

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
}
