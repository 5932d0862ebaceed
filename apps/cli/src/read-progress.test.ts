import { describe, expect, it } from 'vitest';
import { ReadProgress } from './read-progress.js';

function shown(isTerminal: boolean, total: number): string {
  let text = '';
  const error = (written: string): void => {
    text += written;
  };
  const io = { readStdin: async () => '', out: () => {}, error, exitWith: () => {} };
  const progress = new ReadProgress(io, isTerminal, 0);
  progress.show(50, total, 500);
  progress.end();
  return text;
}

describe('ReadProgress', () => {
  it('shows share and rate to people', () => {
    expect(shown(true, 200)).toMatch(/^\r█{6}░{18} {2}25 % {2}500 rows, \d+ rows\/s \n$/);
  });

  it('shows counts where nobody knows the end', () => {
    expect(shown(true, 0)).toMatch(/^\r500 rows, \d+ rows\/s \n$/);
  });

  it('shows nothing to files and pipes', () => {
    expect(shown(false, 200)).toBe('');
  });
});
