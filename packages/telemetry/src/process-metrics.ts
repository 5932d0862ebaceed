import { constants, PerformanceObserver } from 'node:perf_hooks';
import type { Histogram } from './metric-child.js';
import type { Telemetry } from './telemetry.js';
import { watchLoop } from './watch-loop.js';

/** How closely a process is watched. */
export interface ProcessMetricsOptions {
  /** How often the event-loop delay is sampled, in milliseconds. Each sample wakes the process. @default 20 */
  readonly loopDelayResolutionMs?: number;
  /** Time over which the event-loop delay is looked at, in milliseconds; the largest is seen for that long at least. @default 60 000 */
  readonly loopWindowMs?: number;
}

const gcKinds = new Map<number, string>([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_MINOR, 'minor'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
]);

/**
 * Adds the metrics of the Node process: event-loop delay and utilisation, garbage collection pauses, memory, CPU time, handles.
 * Returns the way to stop measuring. Call it once per process.
 */
export function collectProcessMetrics(telemetry: Telemetry, options: ProcessMetricsOptions = {}): () => void {
  telemetry.gauge('processStartTime').set(Date.now() / 1000 - process.uptime());
  const stops = [
    watchLoop(telemetry, { resolutionMs: options.loopDelayResolutionMs ?? 20, windowMs: options.loopWindowMs ?? 60_000 }),
    watchGarbageCollection(telemetry),
    telemetry.onCollect(memoryReader(telemetry)),
    telemetry.onCollect(cpuReader(telemetry)),
    telemetry.onCollect(resourceReader(telemetry)),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

function watchGarbageCollection(telemetry: Telemetry): () => void {
  const pauses = new Map<string, Histogram>([...gcKinds.values()].map((kind) => [kind, telemetry.histogram('gcPauses', { kind })]));
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) pauses.get(kindOf(entry))?.observeMs(entry.duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  return () => observer.disconnect();
}

function kindOf(entry: object): string {
  const detail = 'detail' in entry ? entry.detail : undefined;
  const kind = typeof detail === 'object' && detail !== null && 'kind' in detail ? detail.kind : undefined;
  return (typeof kind === 'number' ? gcKinds.get(kind) : undefined) ?? 'major';
}

function memoryReader(telemetry: Telemetry): () => void {
  const resident = telemetry.gauge('processResidentMemory');
  const heapUsed = telemetry.gauge('processHeapUsed');
  const heapTotal = telemetry.gauge('processHeapTotal');
  const external = telemetry.gauge('processExternalMemory');
  const arrayBuffers = telemetry.gauge('processArrayBuffers');
  return () => {
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heapUsed.set(memory.heapUsed);
    heapTotal.set(memory.heapTotal);
    external.set(memory.external);
    arrayBuffers.set(memory.arrayBuffers);
  };
}

function cpuReader(telemetry: Telemetry): () => void {
  const user = telemetry.counter('processCpuUser');
  const system = telemetry.counter('processCpuSystem');
  let last = { user: 0, system: 0 };
  return () => {
    const now = process.cpuUsage();
    user.add((now.user - last.user) / 1e6);
    system.add((now.system - last.system) / 1e6);
    last = now;
  };
}

function resourceReader(telemetry: Telemetry): () => void {
  let known = new Set<string>();
  return () => {
    const counts = new Map<string, number>([...known].map((type) => [type, 0]));
    for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
    for (const [type, count] of counts) telemetry.gauge('processHandles', { type }).set(count);
    known = new Set(counts.keys());
  };
}
