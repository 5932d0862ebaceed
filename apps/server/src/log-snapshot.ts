import type { ConfigSnapshot, ModelEntry } from '@inferflow/config';
import type { SourceStatus } from '@inferflow/config-etcd';
import { Metric, type Telemetry } from '@inferflow/telemetry';
import { modelStateOf, reportModel, type SourceView } from './config-status.js';
import type { ServerLogger } from './logger.js';

const states = ['live', 'warming', 'rejected', 'stale'] as const;
/** A hash as a number: its first 12 digits, which a double holds exactly. */
const HASH_DIGITS = 12;

/** Says what becomes of configurations: a log line per model whose state or version changes, and metrics. */
export class SnapshotLog {
  readonly #logger: ServerLogger;
  readonly #telemetry: Telemetry;
  readonly #view: SourceView;
  #snapshot: ConfigSnapshot | undefined;
  /** State in the metrics, by model. */
  readonly #states = new Map<string, string>();
  /** Code that a model was refused for, by model. */
  readonly #codes = new Map<string, string>();

  constructor(view: SourceView, logger: ServerLogger, telemetry: Telemetry) {
    this.#view = view;
    this.#logger = logger;
    this.#telemetry = telemetry;
  }

  /** Takes a new snapshot. */
  snapshot(snapshot: ConfigSnapshot): void {
    const previous = this.#snapshot;
    this.#snapshot = snapshot;
    const status = this.#view.status();
    const retained = this.#view.retained();
    for (const [modelConfigId, entry] of snapshot.models) {
      const before = previous?.models.get(modelConfigId);
      if (before === entry) continue;
      this.#logEntry(entry, before, status, retained);
      this.#measure(entry);
      if (entry.state === 'rejected' && before?.revision !== entry.revision)
        this.#telemetry.counter(Metric.schemaErrors, { model_id: modelConfigId }).add(1);
    }
    for (const modelConfigId of previous?.models.keys() ?? []) {
      if (snapshot.models.has(modelConfigId)) continue;
      this.#states.delete(modelConfigId);
      this.#codes.delete(modelConfigId);
      this.#logger.info({ modelConfigId }, 'model removed');
    }
    this.#measureStates(status, retained);
    const telemetry = this.#telemetry;
    telemetry.counter(Metric.configSnapshots).add(1);
    telemetry.gauge(Metric.configSnapshotTime).set(Date.now() / 1000);
    if (previous !== undefined && previous.hash !== snapshot.hash)
      telemetry.gauge(Metric.configSnapshotInfo, { hash: previous.hash }).set(0);
    telemetry.gauge(Metric.configSnapshotInfo, { hash: snapshot.hash }).set(1);
  }

  /** The source has come into another state. */
  sourceChanged(): void {
    if (this.#snapshot !== undefined) this.#measureStates(this.#view.status(), this.#view.retained());
  }

  #measureStates(status: SourceStatus, retained: ReadonlySet<string>): void {
    const counts = new Map<string, number>();
    for (const [modelConfigId, entry] of this.#snapshot?.models ?? []) {
      const now = modelStateOf(entry, status, retained);
      counts.set(now, (counts.get(now) ?? 0) + 1);
      if (this.#states.get(modelConfigId) === now) continue;
      this.#states.set(modelConfigId, now);
      for (const state of states)
        this.#telemetry.gauge(Metric.configModelState, { model_id: modelConfigId, state }).set(state === now ? 1 : 0);
    }
    for (const state of states) this.#telemetry.gauge(Metric.configModels, { state }).set(counts.get(state) ?? 0);
  }

  #measure({ modelConfigId, state, config, hash, since, sourceRevision, problems }: ModelEntry): void {
    const telemetry = this.#telemetry;
    const labels = { model_id: modelConfigId };
    telemetry.gauge(Metric.configModelStateTime, labels).set(since / 1000);
    telemetry.gauge(Metric.configModelRevision, labels).set(sourceRevision === '' ? 0 : Number(sourceRevision));
    telemetry.gauge(Metric.configModelHash, { ...labels, version: 'newest' }).set(hashNumber(hash));
    telemetry.gauge(Metric.configModelHash, { ...labels, version: 'live' }).set(config === null ? 0 : hashNumber(config.hash));
    const code = state === 'rejected' ? (problems.find(({ severity }) => severity === 'error')?.code ?? '') : '';
    const before = this.#codes.get(modelConfigId) ?? '';
    if (before !== '' && before !== code) telemetry.gauge(Metric.configModelRefused, { ...labels, code: before }).set(0);
    if (code !== '') telemetry.gauge(Metric.configModelRefused, { ...labels, code }).set(1);
    this.#codes.set(modelConfigId, code);
  }

  #logEntry(entry: ModelEntry, before: ModelEntry | undefined, status: SourceStatus, retained: ReadonlySet<string>): void {
    // Written again as it was.
    const isSame = before?.state === entry.state && before.revision === entry.revision;
    const { reason, revision, hash, liveHash, problems } = reportModel(entry, status, retained);
    const fields = { modelConfigId: entry.modelConfigId, state: entry.state, configHash: liveHash, revision };
    if (entry.state === 'live') {
      const given = problems === undefined ? fields : { ...fields, problems };
      if (isSame) this.#logger.debug(fields, 'model is written again as it was');
      else this.#logger.info(given, 'model is live');
    } else if (entry.state === 'warming') this.#logger.debug({ ...fields, newestHash: hash }, 'model is being prepared');
    else if (!isSame) {
      this.#logger.error(
        { ...fields, newestHash: hash, reason, problems },
        entry.config === null ? 'model refused; it has no good version' : 'new version of the model refused; the last good one stays',
      );
    }
  }
}

function hashNumber(hash: string): number {
  return Number.parseInt(hash.slice(0, HASH_DIGITS), 16);
}
