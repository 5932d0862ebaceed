import { describe, expect, it } from 'vitest';
import { failureOfCall } from './failure.js';

describe('failureOfCall', () => {
  it('names the service once', () => {
    const text = (message: string) => failureOfCall({ reason: 'exception', code: 2, message }, 'the model functions', 'ranker').message;
    expect(text('the model functions threw: boom')).toBe('the model functions threw: boom');
    expect(text('it answered no list')).toBe('the model functions: it answered no list');
  });
});
