import { Metric, type Telemetry } from '@inferflow/telemetry';
import type { UpstreamEvent } from '@inferflow/transport';
import type { ServerLogger } from './logger.js';

/** Counts and logs what happens to the connections of one upstream service. */
export function upstreamEvents(telemetry: Telemetry, logger: ServerLogger, service: string): (event: UpstreamEvent) => void {
  const labels = { ext_service: service };
  const connections = telemetry.gauge(Metric.upstreamConnections, labels);
  const reconnects = telemetry.counter(Metric.upstreamReconnects, labels);
  const retries = telemetry.counter(Metric.upstreamRetries, labels);
  const setAside = telemetry.counter(Metric.upstreamSetAside, labels);
  const failures = (reason: string) => telemetry.counter(Metric.upstreamFailures, { ...labels, reason }).add(1);
  let open = 0;
  let wasLost = false;
  return (event) => {
    switch (event.kind) {
      case 'connected':
        connections.set(++open);
        if (wasLost) reconnects.add(1);
        logger.debug({ service, address: event.address }, 'connected');
        return;
      case 'disconnected':
        wasLost = true;
        open = Math.max(0, open - 1);
        connections.set(open);
        logger.debug({ service, address: event.address, reason: event.message }, 'connection lost');
        return;
      case 'connect-failed':
        failures('connect');
        logger.warn({ service, address: event.address, reason: event.message, retryInMs: event.retryInMs }, 'connection failed');
        return;
      case 'resolve-failed':
        failures('resolve');
        logger.warn({ service, reason: event.message }, 'host name could not be resolved');
        return;
      case 'set-aside':
        setAside.add(1);
        logger.warn({ service, address: event.address, forMs: event.forMs }, 'address set aside after repeated failures');
        return;
      case 'restored':
        logger.info({ service, address: event.address }, 'address is back');
        return;
      case 'retry':
        retries.add(1);
        return;
      case 'retry-refused':
        failures('retry-budget');
        return;
      case 'overloaded':
        failures('overloaded');
        return;
      case 'resolved':
        return;
    }
  };
}
