import { describe, expect, it } from 'vitest';
import { ServiceCalls } from './service-calls.js';

describe('ServiceCalls', () => {
  it('adds up the calls of a request and forgets them for the next', () => {
    const calls = new ServiceCalls();
    calls.note('models:8001', 4, false);
    calls.note('models:8001', 6, true);
    for (const version of ['3', '3', '', '4', '3']) calls.noteModel('ranker', version);
    const { count, failed, totalMs, maxMs, service, modelName, modelVersion } = calls;
    expect({ count, failed, totalMs, maxMs, service, modelName, modelVersion }).toEqual({
      count: 2,
      failed: 1,
      totalMs: 10,
      maxMs: 6,
      service: 'models:8001',
      modelName: 'ranker',
      modelVersion: '3,4',
    });
    calls.clear();
    expect(calls).toEqual(new ServiceCalls());
  });
});
