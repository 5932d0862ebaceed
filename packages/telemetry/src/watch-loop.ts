import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { Telemetry } from './telemetry.js';

/** How the event loop is watched. */
export interface WatchLoopOptions {
  /** How often the delay is sampled, ms. */
  readonly resolutionMs: number;
  /** Length of a window of the delay, ms; the utilisation has windows of a quarter. */
  readonly windowMs: number;
}

/** Seconds of delay in a window. */
interface LoopDelay {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const QUARTERS = 4;

/**
 * Event-loop delay and utilisation over windows of their own: readings change nothing, so that scrapers, however many, and DogStatsD all see
 * the same. Mean and percentiles are those of the last full window, of the first one while it runs. The largest delay is that of the
 * last full and the running one, and so is seen for a window at least. Returns the way to stop.
 */
export function watchLoop(telemetry: Telemetry, { resolutionMs, windowMs }: WatchLoopOptions): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let full: LoopDelay | null = null;
  let last = performance.eventLoopUtilization();
  let lastButOne = last;
  let quarters = 0;
  const timer = setInterval(() => {
    lastButOne = last;
    last = performance.eventLoopUtilization();
    if (++quarters % QUARTERS !== 0) return;
    full = delayOf(delay, resolutionMs);
    delay.reset();
  }, windowMs / QUARTERS).unref();
  const set = delaySetter(telemetry);
  const utilization = telemetry.gauge('loopUtilization');
  const stopReading = telemetry.onCollect(() => {
    const running = delayOf(delay, resolutionMs);
    const shown = full ?? running;
    // Without a sample there is nothing to say.
    if (shown !== null) set({ ...shown, max: Math.max(shown.max, running?.max ?? 0) });
    utilization.set(performance.eventLoopUtilization(performance.eventLoopUtilization(), lastButOne).utilization);
  });
  return () => {
    stopReading();
    clearInterval(timer);
    delay.disable();
  };
}

function delaySetter(telemetry: Telemetry): (delay: LoopDelay) => void {
  const [mean, p50, p99, max] = (['mean', 'p50', 'p99', 'max'] as const).map((quantity) => telemetry.gauge('loopDelay', { quantity }));
  return (delay) => {
    mean!.set(delay.mean);
    p50!.set(delay.p50);
    p99!.set(delay.p99);
    max!.set(delay.max);
  };
}

/** A sample is the time since the one before: what is beyond the time between samples is delay. */
function delayOf(samples: IntervalHistogram, resolutionMs: number): LoopDelay | null {
  if (samples.count === 0) return null;
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000);
  return { mean: late(samples.mean), p50: late(samples.percentile(50)), p99: late(samples.percentile(99)), max: late(samples.max) };
}
