import { describe, expect, it } from 'vitest';
import { createTelemetry } from './create-telemetry.js';

describe('observing', () => {
  it('allocates nothing', () => {
    const telemetry = createTelemetry();
    const labels = { model_id: 'm', component_name: 'c' };
    const counter = telemetry.counter('componentExecutions', labels);
    const histogram = telemetry.histogram('componentLatency', labels);
    const gauge = telemetry.gauge('requestsInFlight');
    const round = (count: number) => {
      for (let index = 0; index < count; index++) {
        counter.add(1.5);
        histogram.observeMs(index * 0.001);
        gauge.set(index * 0.5);
      }
    };
    round(200_000);
    const growths = [1, 2, 3].map(() => {
      const before = process.memoryUsage().heapUsed;
      round(100_000);
      return process.memoryUsage().heapUsed - before;
    });
    // One number object per observation would be 3.6 MB; other tests' garbage may come or go in between.
    expect(Math.min(...growths.map(Math.abs))).toBeLessThan(500_000);
  });
});
