import { Metric, type Telemetry } from '@inferflow/telemetry';
import type { UpstreamEvent } from '@inferflow/transport';

/** Counts what happens to the connections of one upstream service. */
export function upstreamEvents(telemetry: Telemetry, service: string): (event: UpstreamEvent) => void {
  return (event) => {
    telemetry.counter(Metric.upstreamEvents, { ext_service: service, event: event.kind }).add(1);
  };
}
