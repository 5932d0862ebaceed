import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

// Everything a browser would load: this package without ./node, and the sources of what it imports.
const roots = ['client', 'matrix', 'proto'].map((name) => join(import.meta.dirname, '..', '..', name, 'src'));
const files = roots.flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !(root.endsWith('client/src') && file.startsWith('node/')))
    .map((file) => join(root, file)),
);

describe('the root of the client', () => {
  it('and what it imports use nothing that only Node has', () => {
    expect(files.length).toBeGreaterThan(30);
    for (const file of files) {
      const source = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      expect(source.match(/from 'node:[^']*'|\bBuffer\.|\bprocess\.|connect-node/g), file).toBeNull();
    }
  });
});
