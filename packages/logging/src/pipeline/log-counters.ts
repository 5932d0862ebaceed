import { type Counter, Metric, type Telemetry } from '@inferflow/telemetry';
import type { LogMessage } from '../log-message.js';

/** Metrics of a pipeline by model (and sink, and reason): bound once, found without making texts. */
export class LogCounters {
  readonly #telemetry: Telemetry;
  readonly #kind: { readonly kind?: string };
  readonly #counters = new Map<string, Map<string, Map<string, Counter>>>();

  /** @param kind label of all metrics; absent = InferflowLog records */
  constructor(telemetry: Telemetry, kind: string | undefined) {
    this.#telemetry = telemetry;
    this.#kind = kind === undefined ? {} : { kind };
  }

  /** Rows of a request that was chosen. */
  chosen(modelConfigId: string, rows: number): void {
    this.#count(Metric.loggingRows, modelConfigId, '', rows);
  }

  /** A message that is on its way to a sink. InferflowLog records only, as the metric has always been. */
  sent(modelConfigId: string): void {
    if (this.#kind.kind === undefined) this.#count(Metric.loggingSent, modelConfigId, '', 1);
  }

  /** A request, or rows of it, that could not be encoded. */
  error(modelConfigId: string, error: string): void {
    this.#telemetry.counter(Metric.loggingErrors, { model_id: modelConfigId, error }).add(1);
  }

  /** Cells whose value their log type cannot hold. */
  unfit(modelConfigId: string, cells: number): void {
    this.#count(Metric.loggingCellsUnfit, modelConfigId, '', cells);
  }

  /** Rows that are lost. @param sink '' = before any sink had to do with them */
  dropped(modelConfigId: string, rows: number, reason: string, sink = ''): void {
    this.#count(Metric.loggingRowsDropped, modelConfigId, sink, rows, reason);
  }

  /** Rows that a sink has. */
  written(modelConfigId: string, rows: number, sink: string): void {
    this.#count(Metric.loggingRowsDelivered, modelConfigId, sink, rows);
  }

  /** A batch that a sink has. */
  delivered(sink: string, messages: readonly LogMessage[], mayRepeat: boolean): void {
    for (const { modelConfigId, rowCount } of messages) {
      this.written(modelConfigId, rowCount, sink);
      if (mayRepeat) this.#count(Metric.loggingRowsRepeated, modelConfigId, sink, rowCount);
    }
  }

  /** Rows on local disk. */
  spilled(modelConfigId: string, rows: number): void {
    this.#count(Metric.loggingRowsSpilled, modelConfigId, '', rows);
  }

  /** An attempt of a sink that failed. */
  failed(sink: string, topic: string, reason: string): void {
    this.#telemetry.counter(Metric.loggingDeliveryFailures, { sink, topic, reason, ...this.#kind }).add(1);
  }

  #count(metric: Parameters<Telemetry['counter']>[0], modelConfigId: string, sink: string, value: number, reason = ''): void {
    const bySink = within(within(this.#counters, reason === '' ? metric : reason), sink);
    let counter = bySink.get(modelConfigId);
    if (counter === undefined) {
      counter = this.#telemetry.counter(metric, {
        model_id: modelConfigId,
        ...this.#kind,
        ...(reason !== '' && { reason }),
        ...(sink !== '' && { sink }),
      });
      bySink.set(modelConfigId, counter);
    }
    counter.add(value);
  }
}

function within<Value>(map: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  let inner = map.get(key);
  if (inner === undefined) {
    inner = new Map();
    map.set(key, inner);
  }
  return inner;
}
