import type { FeatureCache } from '@inferflow/components';
import { Metric, type Telemetry } from '@inferflow/telemetry';

/** Writes the state of the feature cache to its metrics: those of this product, and the four gauges of the original. */
export function createCacheReport(telemetry: Telemetry, cache: FeatureCache): () => void {
  telemetry.gauge(Metric.featureCacheLimit).set(cache.maxBytes);
  const bytes = telemetry.gauge(Metric.featureCacheBytes);
  const rows = telemetry.gauge(Metric.featureCacheRows);
  const items = telemetry.gauge(Metric.cacheItems);
  const hitRate = telemetry.gauge(Metric.cacheHitRate);
  const evacuations = telemetry.gauge(Metric.cacheEvacuations);
  const expirations = telemetry.gauge(Metric.cacheExpirations);
  const expired = telemetry.counter(Metric.featureCacheExpirations);
  const refused = telemetry.counter(Metric.featureCacheRefused);
  let last = cache.stats();
  return () => {
    const stats = cache.stats();
    bytes.set(stats.bytes);
    rows.set(stats.entries);
    items.set(stats.entries);
    const finds = stats.hits + stats.misses + stats.staleFinds;
    hitRate.set(finds === 0 ? 0 : stats.hits / finds);
    evacuations.set(stats.evicted);
    expirations.set(stats.expired);
    if (stats.expired > last.expired) expired.add(stats.expired - last.expired);
    if (stats.refused > last.refused) refused.add(stats.refused - last.refused);
    last = stats;
  };
}
