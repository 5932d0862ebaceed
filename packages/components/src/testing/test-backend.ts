import { createCallHead, createLocalUpstream, type LocalHandler, type Upstream } from '@inferflow/transport';
import type { ServiceBackend } from '../backends.js';

/** Settings of a test backend. */
export interface TestBackendOptions {
  readonly deadlineMs?: number;
  readonly batchSize?: number;
  readonly description?: string;
}

/** A service for tests: a function that answers message bytes with message bytes, or an upstream of your own. */
export function createTestBackend(service: LocalHandler | Upstream, options: TestBackendOptions = {}): ServiceBackend {
  const description = options.description ?? 'test service';
  const heads = new Map<string, ReturnType<typeof createCallHead>>();
  return {
    upstream: typeof service === 'function' ? createLocalUpstream(description, service) : service,
    head(path) {
      let head = heads.get(path);
      if (head === undefined) {
        head = createCallHead({ path, authority: 'test' });
        heads.set(path, head);
      }
      return head;
    },
    deadlineMs: options.deadlineMs ?? 1000,
    batchSize: options.batchSize ?? 0,
    description,
  };
}
