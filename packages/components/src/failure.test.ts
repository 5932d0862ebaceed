import { describe, expect, it } from 'vitest';
import { asFailure, createFailure, failureOfCall } from './failure.js';

describe('failureOfCall', () => {
  it('names the service once', () => {
    const text = (message: string) => failureOfCall({ reason: 'exception', code: 2, message }, 'the model functions', 'ranker').message;
    expect(text('the model functions threw: boom')).toBe('the model functions threw: boom');
    expect(text('it answered no list')).toBe('the model functions: it answered no list');
  });
});

describe('asFailure', () => {
  it('takes failures as they are', () => {
    const failure = createFailure('rejected', 'no', 'p');
    expect(asFailure(failure, 'p')).toBe(failure);
  });

  it.each([
    [undefined, 'the component failed and did not say why'],
    [null, 'the component failed and did not say why'],
    ['oops', 'oops'],
    [new Error('boom'), 'boom'],
    [{ reason: 'made up for one user', message: 'x', grpcCode: 0 }, 'x'],
    [{ reason: 'rejected', message: 7, grpcCode: 0 }, 'the component failed and did not say why'],
  ])('makes one of %s', (given, message) => {
    expect(asFailure(given, 'p')).toMatchObject({ reason: 'exception', message, componentName: 'p', grpcCode: 13 });
  });
});
