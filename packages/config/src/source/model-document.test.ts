import { describe, expect, it } from 'vitest';
import { readDocument } from './model-document.js';

describe('readDocument', () => {
  it.each([
    ['lists that are never closed', '['.repeat(20_000)],
    ['objects', `${'{a: '.repeat(1000)}1${'}'.repeat(1000)}`],
    ['dashes in a line', '- '.repeat(1000)],
    ['lines that go in', Array.from({ length: 1000 }, (_, at) => `${' '.repeat(at)}a:\n`).join('')],
  ])('refuses YAML that is deeper than its parser has room for: %s', (_, text) => {
    expect(readDocument({ text, format: 'yaml' })).toMatchObject({ problem: { code: 'INFERFLOW_CONFIG_TOO_DEEP', path: '$' } });
  });

  it('reads as deep as configurations may be', () => {
    const text = `${'['.repeat(100)}1${']'.repeat(100)}`;
    expect(readDocument({ text, format: 'yaml' })).toEqual({ value: JSON.parse(text) });
  });
});
