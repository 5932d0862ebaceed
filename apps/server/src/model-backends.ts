import type { ServiceBackend } from '@inferflow/components';
import type { ConfigSnapshot } from '@inferflow/config';
import type { Upstream } from '@inferflow/transport';
import { authorityOf, type Endpoint, localEndpoint, parseEndpoint } from './endpoint.js';
import { type ServiceSettings, serviceBackend } from './service-backend.js';

/** Requests finish on the configuration they began with, and may have most of their calls before them when it changes. */
const keptMs = 60_000;
/** Then calls that are under way get as long to end. */
const closeGraceMs = 60_000;

/** What model servers need. */
export interface ModelBackendsOptions {
  readonly settings: ServiceSettings;
  /** Where an endpoint names no port. */
  readonly defaultPort: number;
  /** Models in this process. */
  readonly local: Upstream | null;
  connect(endpoint: Endpoint): Upstream;
  disconnect(upstream: Upstream, graceMs: number): void;
}

interface ModelServer {
  readonly backend: ServiceBackend;
  /** Runs when no live model names the server. */
  leaving: NodeJS.Timeout | null;
}

/** The model servers that configurations name: connected when one is named first, and let go some time after none does. */
export class ModelBackends {
  readonly #options: ModelBackendsOptions;
  readonly #servers = new Map<string, ModelServer>();

  constructor(options: ModelBackendsOptions) {
    this.#options = options;
  }

  /** `null` when the endpoint is malformed, or `local` where nothing is. */
  find(endpoint: string): ServiceBackend | null {
    const key = this.#keyOf(endpoint);
    if (key === '') return null;
    const known = this.#servers.get(key);
    if (known !== undefined) {
      this.#keep(known);
      return known.backend;
    }
    const { local, settings } = this.#options;
    if (key === localEndpoint && local === null) return null;
    const at = key === localEndpoint ? 'local' : parseEndpoint(key, 0)!;
    const backend = serviceBackend(at === 'local' ? local! : this.#options.connect(at), at, settings);
    this.#servers.set(key, { backend, leaving: null });
    return backend;
  }

  /** Lets go of servers that no live model names, and no candidate: what is being prepared has its connections already. */
  releaseUnused(snapshot: ConfigSnapshot): void {
    const used = new Set([localEndpoint]);
    for (const { config, candidate } of snapshot.models.values()) {
      for (const component of [...(config?.components ?? []), ...(candidate?.components ?? [])]) {
        if (component.kind !== 'predator') continue;
        used.add(this.#keyOf(component.endpoint));
        for (const { endpoint } of component.endpoints) used.add(this.#keyOf(endpoint));
      }
    }
    for (const [key, server] of this.#servers) {
      if (used.has(key)) this.#keep(server);
      else server.leaving ??= setTimeout(() => this.#leave(key, server), keptMs).unref();
    }
  }

  close(): void {
    for (const server of this.#servers.values()) this.#keep(server);
  }

  #keep(server: ModelServer): void {
    if (server.leaving !== null) clearTimeout(server.leaving);
    server.leaving = null;
  }

  #leave(key: string, server: ModelServer): void {
    this.#servers.delete(key);
    this.#options.disconnect(server.backend.upstream, closeGraceMs);
  }

  #keyOf(endpoint: string): string {
    if (endpoint === localEndpoint) return localEndpoint;
    const parsed = parseEndpoint(endpoint, this.#options.defaultPort);
    return parsed === undefined ? '' : authorityOf(parsed);
  }
}
