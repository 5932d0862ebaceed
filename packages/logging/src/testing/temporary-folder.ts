import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A directory of the test that asks for it, gone when that ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'inferflow-logging-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
