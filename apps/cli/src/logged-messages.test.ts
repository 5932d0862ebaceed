import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loggedMessages } from './logged-messages.js';
import { readScoringRecords } from './replay/scoring-source.js';

afterEach(() => void vi.restoreAllMocks());

/** Standard input that stays open behind what it brings. */
function openInput(content: string): AbortController {
  const input = new PassThrough();
  if (content !== '') input.write(content);
  vi.spyOn(process, 'stdin', 'get').mockReturnValue(input as unknown as typeof process.stdin);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  return stop;
}

describe('loggedMessages', () => {
  it.each([
    ['nothing has come', '', 0],
    ['lines come', 'QUJD\nREVG\n', 2],
    ['a record comes', '\x00\x01', 0],
  ])('ends when it is asked to while %s', async (_, content, count) => {
    const { signal } = openInput(content);
    const places: string[] = [];
    for await (const { place } of loggedMessages('-', () => {}, signal)) places.push(place);
    expect(places.length).toBe(count);
  });

  it('ends when it was asked to before it began', async () => {
    openInput('').abort();
    for await (const message of loggedMessages('-', () => {}, AbortSignal.abort())) expect(message).toBeUndefined();
  });
});

describe('readScoringRecords', () => {
  it('ends when it is asked to while lines come', async () => {
    const { signal } = openInput('QUJD\n');
    const places: string[] = [];
    await readScoringRecords('-', async (__, place) => void places.push(place), { onRead: () => {}, signal });
    expect(places).toEqual(['-:1']);
  });
});
