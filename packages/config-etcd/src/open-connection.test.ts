import { describe, expect, it } from 'vitest';
import type { ConnectEtcd, EtcdConnection } from './etcd-connection.js';
import { EtcdFailure, type EtcdFailureKind } from './etcd-failure.js';
import { openConnection } from './open-connection.js';

type Behaviour = 'answers' | 'hangs' | EtcdFailureKind;

function network(behaviours: Readonly<Record<string, Behaviour>>) {
  const tried: string[] = [];
  const closed: string[] = [];
  const connect: ConnectEtcd = (endpoint) => {
    tried.push(endpoint);
    const behaviour = behaviours[endpoint] ?? 'other';
    const connection: Partial<EtcdConnection> = {
      endpoint,
      close: () => closed.push(endpoint),
      check: async () => {
        if (behaviour === 'hangs') await new Promise(() => undefined);
        if (behaviour !== 'answers' && behaviour !== 'hangs') throw new EtcdFailure(behaviour, `${endpoint} ${behaviour}`);
        return { clusterId: '1', revision: 1 };
      },
    };
    return connection as EtcdConnection;
  };
  return { connect, tried, closed, endpoints: Object.keys(behaviours) };
}

describe('openConnection', () => {
  it('takes the first that answers, from where it is told to begin', async () => {
    const { connect, tried, endpoints } = network({ a: 'answers', b: 'unreachable', c: 'answers' });
    expect((await openConnection(endpoints, 1, connect, '/')).endpoint).toBe('c');
    expect(tried).toEqual(['b', 'c']);
    expect((await openConnection(endpoints, 4, connect, '/')).endpoint).toBe('c');
    expect((await openConnection(endpoints, 3, connect, '/')).endpoint).toBe('a');
  });

  it('does not wait for one that hangs, and closes it', async () => {
    const { connect, closed, endpoints } = network({ a: 'hangs', b: 'answers' });
    const began = performance.now();
    expect((await openConnection(endpoints, 0, connect, '/')).endpoint).toBe('b');
    expect(performance.now() - began).toBeLessThan(1500);
    expect(closed).toEqual(['a']);
  });

  it('fails with what tells most, naming all, and closes everything', async () => {
    const { connect, closed, endpoints } = network({ a: 'unreachable', b: 'unauthenticated', c: 'timeout' });
    const failure = await openConnection(endpoints, 0, connect, '/').catch((error: unknown) => error);
    expect(failure).toMatchObject({ kind: 'unauthenticated', message: 'a unreachable; b unauthenticated; c timeout' });
    expect(closed).toEqual(['a', 'b', 'c']);
  });
});
