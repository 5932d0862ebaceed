import { describe, expect, it } from 'vitest';
import { EtcdFailure, toEtcdFailure } from './etcd-failure.js';

describe('toEtcdFailure', () => {
  it.each([
    [
      '14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1 (2026-01-01T00:00:00.000Z). Resolution note: ',
      'unreachable',
    ],
    ['14 UNAVAILABLE: Connection dropped', 'unreachable'],
    ['14 UNAVAILABLE: No connection established. Last error: certificate has expired', 'tls'],
    ['14 UNAVAILABLE: No connection established. Last error: self-signed certificate in certificate chain', 'tls'],
    [
      '14 UNAVAILABLE: No connection established. Last error: Error: Client network socket disconnected before secure TLS connection was established',
      'unreachable',
    ],
    ['14 UNAVAILABLE: etcdserver: no leader', 'no-leader'],
    ['14 UNAVAILABLE: etcdserver: leader changed', 'no-leader'],
    ['14 UNAVAILABLE: etcdserver: request timed out', 'no-leader'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 2.001s', 'timeout'],
    ['16 UNAUTHENTICATED: etcdserver: invalid auth token', 'unauthenticated'],
    ['3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password', 'unauthenticated'],
    ['3 INVALID_ARGUMENT: etcdserver: user name is empty', 'unauthenticated'],
    ['7 PERMISSION_DENIED: etcdserver: permission denied', 'forbidden'],
    ['11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted', 'compacted'],
    ['the watch was cancelled: compacted: ', 'compacted'],
    ['13 INTERNAL: what', 'other'],
  ] as const)('calls %j by its name', (message, kind) => {
    const failure = toEtcdFailure('http://e:1', new Error(message));
    expect(failure.kind).toBe(kind);
    expect(failure.message).toMatch(/^etcd at http:\/\/e:1: /);
    expect(failure.message).not.toMatch(/Resolution note|2026-/);
  });

  it('leaves a failure as it is', () => {
    const failure = new EtcdFailure('data-loss', 'x');
    expect(toEtcdFailure('http://e:1', failure)).toBe(failure);
    expect(failure).toBeInstanceOf(EtcdFailure);
    expect(new Error('x')).not.toBeInstanceOf(EtcdFailure);
  });
});
