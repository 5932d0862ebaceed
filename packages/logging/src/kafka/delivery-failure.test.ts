import { describe, expect, it } from 'vitest';
import { sendFailureOf } from './delivery-failure.js';
import { ProduceRefused } from './produce-request.js';

describe('sendFailureOf', () => {
  // Codes of the protocol.
  it.each([
    [2, 'record_invalid'],
    [10, 'record_too_large'],
    [17, 'topic_invalid'],
    [18, 'record_too_large'],
    [32, 'record_invalid'],
    [43, 'compression_unsupported'],
    [76, 'compression_unsupported'],
    [87, 'record_invalid'],
  ])('gives a batch up that a broker will never take: %d', (code, reason) => {
    expect(sendFailureOf(new ProduceRefused(code))).toMatchObject({ isRetriable: false, reason });
  });

  it.each([
    [3, 'topic_missing'],
    [5, 'leader_moved'],
    [6, 'leader_moved'],
    [7, 'timeout'],
    [19, 'not_enough_replicas'],
    [20, 'not_enough_replicas'],
    [29, 'not_authorised'],
    [56, 'broker_failed'],
    [89, 'send_failed'],
  ])('lets a batch wait for what may pass: %d', (code, reason) => {
    expect(sendFailureOf(new ProduceRefused(code))).toMatchObject({ isRetriable: true, reason, needsProducer: false });
  });

  it('tells what lies in records, which others can be sent without, from what lies in their topic', () => {
    const refusalOf = (code: number) => sendFailureOf(new ProduceRefused(code, [3])).refusal;
    for (const code of [2, 32, 87]) expect(refusalOf(code)).toEqual({ records: [3], isBySize: false });
    for (const code of [10, 18]) expect(refusalOf(code)).toEqual({ records: [3], isBySize: true });
    for (const code of [17, 43, 76, 3, 29]) expect(refusalOf(code)).toBe(undefined);
  });
});
