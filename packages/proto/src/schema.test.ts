import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');
const folder = mkdtempSync(join(tmpdir(), 'inferflow-proto-'));
afterAll(() => rmSync(folder, { recursive: true }));

function buf(...args: string[]): void {
  execFileSync(join(root, 'node_modules', '.bin', 'buf'), args, { cwd: root, stdio: 'pipe' });
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort();
}

describe('the schema in proto/', () => {
  it('passes lint', () => {
    buf('lint');
  });

  it('breaks nothing that the baseline has', () => {
    buf('breaking', '--against', join('proto', 'baseline.binpb'));
  });

  it('is what src/gen was generated from', () => {
    buf('generate', '-o', folder);
    const fresh = join(folder, 'packages', 'proto', 'src', 'gen');
    const committed = join(import.meta.dirname, 'gen');
    expect(filesOf(committed)).toEqual(filesOf(fresh));
    for (const file of filesOf(fresh)) {
      expect(readFileSync(join(committed, file), 'utf8') === readFileSync(join(fresh, file), 'utf8'), `${file} is stale: npm run gen`).toBe(
        true,
      );
    }
  });
});
