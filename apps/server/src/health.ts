import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import type { SourceStatus } from '@inferflow/config-etcd';
import { Health, HealthCheckResponse_ServingStatus } from '@inferflow/proto';

/** Why the server should or should not get traffic; the one source of `/health/ready` and `grpc.health.v1`. */
export class Readiness {
  #draining = false;
  #leaving = false;
  readonly #engine: { readonly ready: boolean; readonly readyReason: string };
  readonly #listeners = new Set<() => void>();
  readonly #configStatus: (() => SourceStatus) | null;

  /** @param configStatus how current the configurations are, where their source can fall behind */
  constructor(engine: { readonly ready: boolean; readonly readyReason: string }, configStatus: (() => SourceStatus) | null = null) {
    this.#engine = engine;
    this.#configStatus = configStatus;
  }

  /** A detail: a server whose configurations are not current still serves. */
  get config(): SourceStatus | undefined {
    return this.#configStatus?.();
  }

  get ready(): boolean {
    return !this.#draining && this.#engine.ready;
  }

  get reason(): string {
    if (this.#draining) return 'shutting down';
    const config = this.config;
    return config?.state === 'starting' ? `no configuration has been read yet: ${config.reason}` : this.#engine.readyReason;
  }

  /** From now on not ready, for good. */
  drain(): void {
    this.#draining = true;
    this.changed();
  }

  /** Connections are about to be closed: who watches has been told, and is let go. Not sooner: who lost a watch asks for the next at once. */
  leave(): void {
    this.#leaving = true;
    this.changed();
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  /** To be called when the engine's readiness may have changed. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** `grpc.health.v1`: the empty name and the names of the served services answer with the server's readiness. */
export function addHealth(router: ConnectRouter, readiness: Readiness, serviceNames: readonly string[]): void {
  const known = new Set(['', ...serviceNames]);
  const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
  const current = () => (readiness.ready ? SERVING : NOT_SERVING);
  router.service(Health, {
    check(request) {
      if (!known.has(request.service)) throw new ConnectError('the service is not served here', Code.NotFound);
      return { status: current() };
    },
    async *watch(request, context) {
      if (!known.has(request.service)) {
        yield { status: SERVICE_UNKNOWN };
        return;
      }
      let last = -1;
      while (!context.signal.aborted) {
        const status = current();
        if (status !== last) {
          last = status;
          yield { status };
        } else if (readiness.leaving) {
          return;
        } else {
          await nextChange(readiness, context.signal);
        }
      }
    },
  });
}

function nextChange(readiness: Readiness, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      stop();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const stop = readiness.onChange(finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}
