import type { ServiceBackend } from '@inferflow/components';
import { type CallHead, createCallHead, type Upstream } from '@inferflow/transport';
import { authorityOf, type Endpoint, localEndpoint } from './endpoint.js';

/** What all calls to one service have in common. */
export interface ServiceSettings {
  readonly metadata: readonly (readonly [string, string])[];
  readonly deadlineMs: number;
  readonly batchSize: number;
}

/** A service behind an upstream: remote at an endpoint, or `local`. */
export function serviceBackend(upstream: Upstream, at: Endpoint | 'local' | null, settings: ServiceSettings): ServiceBackend {
  const authority = at === 'local' || at === null ? localEndpoint : authorityOf(at);
  const heads = new Map<string, CallHead>();
  return {
    upstream,
    deadlineMs: settings.deadlineMs,
    batchSize: settings.batchSize,
    description: authority,
    head(path) {
      let head = heads.get(path);
      if (head === undefined) {
        head = createCallHead({ path, authority, metadata: settings.metadata });
        heads.set(path, head);
      }
      return head;
    },
  };
}
