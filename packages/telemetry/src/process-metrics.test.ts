import { describe, expect, it } from 'vitest';
import { createTelemetry } from './create-telemetry.js';
import { collectProcessMetrics } from './process-metrics.js';

describe('collectProcessMetrics', () => {
  it('reports memory, CPU, handles, loop delay and garbage collections until it is stopped', async () => {
    const telemetry = createTelemetry();
    const stop = collectProcessMetrics(telemetry, { loopDelayResolutionMs: 1 });
    let kept: number[][] = [];
    const value = async (start: string) => {
      const line = (await telemetry.prometheusText()).split('\n').find((candidate) => candidate.startsWith(start));
      return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
    };
    await expect
      .poll(
        async () => {
          kept = Array.from({ length: 2000 }, () => new Array<number>(100).fill(1));
          return value('nodejs_gc_duration_seconds_count{kind="minor"}');
        },
        { timeout: 5000 },
      )
      .toBeGreaterThan(0);
    expect(kept).toHaveLength(2000);
    await expect.poll(() => value('nodejs_eventloop_lag_seconds{quantity="max"}'), { timeout: 3000 }).toBeGreaterThan(0);
    expect(await value('process_resident_memory_bytes')).toBeGreaterThan(10e6);
    expect(await value('process_cpu_user_seconds_total')).toBeGreaterThan(0);
    expect(await value('nodejs_active_resources{type=')).toBeGreaterThanOrEqual(0);
    expect(Math.abs((await value('process_start_time_seconds'))! - (Date.now() / 1000 - process.uptime()))).toBeLessThan(2);
    stop();
    const cpu = await value('process_cpu_user_seconds_total');
    for (let at = performance.now(); performance.now() - at < 20; );
    expect(await value('process_cpu_user_seconds_total')).toBe(cpu);
  });

  it('counts as loop delay what is beyond the time between samples', async () => {
    const telemetry = createTelemetry();
    const stop = collectProcessMetrics(telemetry, { loopDelayResolutionMs: 200 });
    const line = async () =>
      (await telemetry.prometheusText()).split('\n').find((text) => text.startsWith('nodejs_eventloop_lag_seconds{quantity="p50"}'));
    await new Promise((resolve) => setTimeout(resolve, 700));
    const p50 = Number((await line())?.split(' ')[1]);
    stop();
    expect(p50).toBeGreaterThanOrEqual(0);
    expect(p50).toBeLessThan(0.15);
  });

  it('shows a delay to every reader, until its window is over', async () => {
    const telemetry = createTelemetry({ statsd: { host: '127.0.0.1', port: 9, env: 'e', service: 's', samplingRate: 1 } });
    const max = async () =>
      Number(/nodejs_eventloop_lag_seconds\{quantity="max"\} (.*)/.exec(await telemetry.prometheusText())?.[1] ?? Number.NaN);
    const stop = collectProcessMetrics(telemetry, { loopDelayResolutionMs: 1, loopWindowMs: 1500 });
    await expect.poll(max).toBeGreaterThan(0);
    for (const at = performance.now(); performance.now() - at < 400; );
    await new Promise((resolve) => setTimeout(resolve, 5));
    telemetry.flush();
    expect(await max()).toBeGreaterThan(0.3);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await max()).toBeGreaterThan(0.3);
    await expect.poll(max, { timeout: 10_000 }).toBeLessThan(0.3);
    stop();
    await telemetry.close();
  });
});
