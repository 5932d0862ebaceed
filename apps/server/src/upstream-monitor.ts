import { type Gauge, Metric, type Telemetry } from '@inferflow/telemetry';
import type { UpstreamEvent } from '@inferflow/transport';
import type { ServerLogger } from './logger.js';

interface Counted {
  readonly inFlight: number;
}

interface Service {
  readonly name: string;
  readonly labels: { readonly ext_service: string };
  readonly connections: Gauge;
  readonly callsInFlight: Gauge;
  readonly watches: Set<UpstreamWatch>;
}

/** Counts and logs what happens to the connections of the upstream services. */
export class UpstreamMonitor {
  readonly #telemetry: Telemetry;
  readonly #logger: ServerLogger;
  readonly #services = new Map<string, Service>();
  readonly #stopCollecting: () => void;

  constructor(telemetry: Telemetry, logger: ServerLogger) {
    this.#telemetry = telemetry;
    this.#logger = logger;
    this.#stopCollecting = telemetry.onCollect(() => {
      for (const { watches, connections, callsInFlight } of this.#services.values()) {
        let open = 0;
        let calls = 0;
        for (const watch of watches) {
          open += watch.open;
          calls += watch.upstream?.inFlight ?? 0;
        }
        connections.set(open);
        callsInFlight.set(calls);
      }
    });
  }

  /** For one upstream of a service; several model servers are one service. */
  watch(name: string): UpstreamWatch {
    let service = this.#services.get(name);
    if (service === undefined) {
      const labels = { ext_service: name };
      const connections = this.#telemetry.gauge(Metric.upstreamConnections, labels);
      const callsInFlight = this.#telemetry.gauge(Metric.upstreamInFlight, labels);
      service = { name, labels, connections, callsInFlight, watches: new Set() };
      this.#services.set(name, service);
    }
    return new UpstreamWatch(service, this.#telemetry, this.#logger);
  }

  close(): void {
    this.#stopCollecting();
  }
}

/** What is known of one upstream. */
export class UpstreamWatch {
  /** To be set as soon as there is one. */
  upstream: Counted | null = null;
  open = 0;
  readonly #service: Service;
  readonly #telemetry: Telemetry;
  readonly #logger: ServerLogger;
  #wasLost = false;

  constructor(service: Service, telemetry: Telemetry, logger: ServerLogger) {
    this.#service = service;
    this.#telemetry = telemetry;
    this.#logger = logger;
    service.watches.add(this);
  }

  /** The upstream is closed: nothing of it counts any more. */
  end(): void {
    this.#service.watches.delete(this);
  }

  /** Takes an event of the upstream. */
  readonly onEvent = (event: UpstreamEvent): void => {
    // Not `service`: that is this server's own name in every line.
    const { name: upstream, labels } = this.#service;
    switch (event.kind) {
      case 'connected':
        this.open++;
        if (this.#wasLost) this.#telemetry.counter(Metric.upstreamReconnects, labels).add(1);
        this.#logger.debug({ upstream, address: event.address }, 'connected');
        return;
      case 'disconnected':
        if (!event.isRetired) this.#wasLost = true;
        this.open = Math.max(0, this.open - 1);
        this.#logger.debug(
          { upstream, address: event.address, reason: event.message },
          event.isRetired ? 'connection closed' : 'connection lost',
        );
        return;
      case 'connect-failed':
        this.#failed('connect');
        this.#logger.warn({ upstream, address: event.address, reason: event.message, retryInMs: event.retryInMs }, 'connection failed');
        return;
      case 'resolve-failed':
        this.#failed('resolve');
        this.#logger.warn({ upstream, reason: event.message }, 'host name could not be resolved');
        return;
      case 'set-aside':
        this.#telemetry.counter(Metric.upstreamSetAside, labels).add(1);
        this.#logger.warn({ upstream, address: event.address, forMs: event.forMs }, 'address set aside after repeated failures');
        return;
      case 'restored':
        this.#logger.info({ upstream, address: event.address }, 'address is back');
        return;
      case 'retry':
        this.#telemetry.counter(Metric.upstreamRetries, labels).add(1);
        return;
      case 'retry-refused':
        this.#failed('retry-budget');
        return;
      case 'overloaded':
        this.#failed('overloaded');
        return;
      case 'resolved':
        return;
    }
  };

  #failed(reason: string): void {
    this.#telemetry.counter(Metric.upstreamFailures, { ...this.#service.labels, reason }).add(1);
  }
}
