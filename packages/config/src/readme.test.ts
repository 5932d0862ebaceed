import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as config from './index.js';

describe('the README example', () => {
  it('runs as it is printed', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
    const body = code.replace(/import (\{[^}]*\}) from '@inferflow\/config';/, 'const $1 = library;');
    expect(body).not.toBe(code);
    const lines: unknown[][] = [];
    const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor;
    await new AsyncFunction('library', 'console', body)(config, { log: (...values: unknown[]) => lines.push(values) });
    expect(lines).toEqual([[expect.stringMatching(/^[0-9a-f]{16}$/), 1, 2], [['ranker:score']], ['live']]);
  });
});
