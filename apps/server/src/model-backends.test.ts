import type { ConfigSnapshot } from '@inferflow/config';
import type { Upstream } from '@inferflow/transport';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { authorityOf } from './endpoint.js';
import { ModelBackends } from './model-backends.js';

/** What serves, and what is being prepared, as far as model servers are concerned. */
function naming(live: readonly string[], prepared: readonly string[] = []): ConfigSnapshot {
  const componentsOf = (endpoints: readonly string[]) => ({
    components: endpoints.map((endpoint) => ({ kind: 'predator', endpoint, endpoints: [{ endpoint: `${endpoint}:1` }] })),
  });
  return { models: new Map([['m', { config: componentsOf(live), candidate: componentsOf(prepared) }]]) } as unknown as ConfigSnapshot;
}

describe('ModelBackends', () => {
  let connected: string[] = [];
  let disconnected: string[] = [];
  let models: ModelBackends;

  beforeEach(() => {
    vi.useFakeTimers();
    connected = [];
    disconnected = [];
    models = new ModelBackends({
      settings: { metadata: [], deadlineMs: 100, batchSize: 10 },
      defaultPort: 8001,
      local: null,
      connect(endpoint) {
        connected.push(authorityOf(endpoint));
        return { name: authorityOf(endpoint) } as unknown as Upstream;
      },
      disconnect: (upstream) => void disconnected.push((upstream as unknown as { name: string }).name),
    });
  });
  afterEach(() => {
    models.close();
    vi.useRealTimers();
  });

  it('connects to a server once, by whatever name', () => {
    const first = models.find('a');
    expect(models.find('a:8001')).toBe(first);
    expect(models.find('b')).not.toBe(first);
    expect(connected).toEqual(['a:8001', 'b:8001']);
    expect(models.find('local')).toBeNull();
    expect(models.find('a:b:c')).toBeNull();
  });

  it('keeps a server that is no longer named for the requests that began before', () => {
    models.find('a');
    models.find('b');
    models.releaseUnused(naming(['b']));
    vi.advanceTimersByTime(30_000);
    models.releaseUnused(naming(['b']));
    vi.advanceTimersByTime(29_999);
    expect(disconnected).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(disconnected).toEqual(['a:8001']);
    models.find('a');
    expect(connected).toEqual(['a:8001', 'b:8001', 'a:8001']);
  });

  it('keeps one that is named again, and one that a candidate names', () => {
    const [first, second] = [models.find('a'), models.find('b')];
    models.releaseUnused(naming([]));
    vi.advanceTimersByTime(59_999);
    expect(models.find('a')).toBe(first);
    models.releaseUnused(naming(['a'], ['b']));
    vi.advanceTimersByTime(120_000);
    expect(disconnected).toEqual([]);
    expect([models.find('a'), models.find('b')]).toEqual([first, second]);
  });

  it('lets go of nothing by itself once it is closed', () => {
    models.find('a');
    models.releaseUnused(naming([]));
    models.close();
    vi.advanceTimersByTime(120_000);
    expect(disconnected).toEqual([]);
  });
});
