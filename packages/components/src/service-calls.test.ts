import { describe, expect, it } from 'vitest';
import { ServiceCalls } from './service-calls.js';

describe('ServiceCalls', () => {
  it('adds up the calls of a request and forgets them for the next', () => {
    const calls = new ServiceCalls();
    calls.note('models:8001', 4, false);
    calls.note('models:8001', 6, true);
    calls.noteReason('unavailable');
    calls.note('models:8001', 0, true);
    calls.noteReason('overloaded');
    for (const version of ['3', '3', '', '4', '3']) calls.noteModel('ranker', version);
    const { count, failed, overloaded, totalMs, maxMs, service, modelName, modelVersion } = calls;
    expect({ count, failed, overloaded, totalMs, maxMs, service, modelName, modelVersion }).toEqual({
      count: 3,
      failed: 2,
      overloaded: 1,
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
