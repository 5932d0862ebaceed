import type { ConfigSnapshot, ModelEntry } from '@inferflow/config';
import { Metric, type Telemetry } from '@inferflow/telemetry';
import type { ServerLogger } from './logger.js';

const shownProblems = 20;
const states = ['live', 'rejected', 'stale'] as const;

/** Says what a new snapshot changed: one line per model that is new, changed, refused or gone. */
export function logSnapshot(
  snapshot: ConfigSnapshot,
  previous: ConfigSnapshot | undefined,
  logger: ServerLogger,
  telemetry: Telemetry,
): void {
  for (const [modelConfigId, entry] of snapshot.models) {
    if (previous?.models.get(modelConfigId) === entry) continue;
    logEntry(modelConfigId, entry, logger);
    for (const state of states)
      telemetry.gauge(Metric.configModelState, { model_id: modelConfigId, state }).set(entry.state === state ? 1 : 0);
    if (entry.state !== 'live') telemetry.counter(Metric.schemaErrors, { model_id: modelConfigId }).add(1);
  }
  for (const modelConfigId of previous?.models.keys() ?? []) {
    if (!snapshot.models.has(modelConfigId)) logger.info({ modelConfigId }, 'model removed');
  }
  for (const state of states) {
    const count = [...snapshot.models.values()].filter((entry) => entry.state === state).length;
    telemetry.gauge(Metric.configModels, { state }).set(count);
  }
  telemetry.counter(Metric.configSnapshots).add(1);
  telemetry.gauge(Metric.configSnapshotTime).set(Date.now() / 1000);
  if (previous !== undefined && previous.hash !== snapshot.hash) telemetry.gauge(Metric.configSnapshotInfo, { hash: previous.hash }).set(0);
  telemetry.gauge(Metric.configSnapshotInfo, { hash: snapshot.hash }).set(1);
}

function logEntry(modelConfigId: string, entry: ModelEntry, logger: ServerLogger): void {
  const fields = { modelConfigId, state: entry.state, configHash: entry.config?.hash, revision: entry.revision };
  const lines = entry.problems.slice(0, shownProblems).map(({ severity, code, path, message }) => ({ severity, code, path, message }));
  if (entry.state === 'live') logger.info(lines.length > 0 ? { ...fields, problems: lines } : fields, 'model is live');
  else
    logger.error(
      { ...fields, problems: lines },
      entry.config === null ? 'model refused; it has no good version' : 'new version of the model refused; the last good one stays',
    );
}
