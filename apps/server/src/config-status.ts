import type { ConfigSnapshot, ModelEntry, Problem } from '@inferflow/config';
import type { SourceStatus } from '@inferflow/config-etcd';

/** Where the configurations come from, and how current they are. */
export interface SourceReport {
  /** `etcd`, `directory` or `demo`. */
  readonly kind: string;
  readonly state: SourceStatus['state'];
  /** Empty while all is well. */
  readonly reason: string;
  /** Etcd's revision up to which everything was read; the number of the snapshot for a directory; empty before the first read. */
  readonly revision: string;
  /** Which etcd. */
  readonly clusterId?: string;
  /** When the state began, ISO 8601. */
  readonly since: string;
}

/** One model: what became of its newest version, and what serves. */
export interface ModelReport {
  readonly id: string;
  /** `stale`: the newest version known serves, but the source cannot be asked whether it still is, or has lost it. */
  readonly state: ModelEntry['state'] | 'stale';
  /** Empty for `live`. */
  readonly reason: string;
  /** Hash of the newest version. */
  readonly hash: string;
  /** The source's number of the newest version: etcd's revision of its key, a hash of the text for a directory. */
  readonly revision: string;
  /** ISO 8601. */
  readonly since: string;
  /** Hash of the version that serves; absent if none does. */
  readonly liveHash?: string;
  readonly problems?: readonly Pick<Problem, 'severity' | 'code' | 'path' | 'message'>[];
}

/** What `/config` answers and the status file holds. */
export interface ConfigReport {
  readonly service: string;
  readonly version: string;
  readonly source: SourceReport;
  readonly models: readonly ModelReport[];
}

/** What is known of a source besides its snapshots. */
export interface SourceView {
  readonly kind: string;
  status(): SourceStatus;
  position(): { readonly clusterId: string; readonly revision: number } | null;
  /** Ids of models that serve although the source has lost them. */
  retained(): ReadonlySet<string>;
}

const SHOWN_PROBLEMS = 20;
const secretName = /(token|secret|password|passwd|credential|api_?key|authorization|private_?key)/i;

/** The report about a snapshot. Holds no secret. */
export function reportConfig(
  about: { readonly service: string; readonly version: string },
  snapshot: ConfigSnapshot,
  view: SourceView,
): ConfigReport {
  const status = view.status();
  const position = view.position();
  const retained = view.retained();
  return {
    service: about.service,
    version: about.version,
    source: {
      kind: view.kind,
      state: status.state,
      reason: withoutSecrets(status.reason),
      revision: position === null ? (view.kind === 'etcd' ? '' : snapshot.revision) : String(position.revision),
      ...(position !== null && { clusterId: position.clusterId }),
      since: new Date(status.since).toISOString(),
    },
    models: [...snapshot.models.values()].map((entry) => reportModel(entry, status, retained)),
  };
}

/** The report about one model. */
export function reportModel(entry: ModelEntry, source: SourceStatus, retained: ReadonlySet<string>): ModelReport {
  const { modelConfigId, config, hash, since } = entry;
  const state = modelStateOf(entry, source, retained);
  const problems = entry.problems
    .filter(({ severity }) => severity !== 'hint')
    .slice(0, SHOWN_PROBLEMS)
    .map(shown);
  return {
    id: modelConfigId,
    state,
    reason: withoutSecrets(reasonOf(entry, state, source, retained)),
    hash,
    revision: entry.sourceRevision === '' ? entry.revision : entry.sourceRevision,
    since: new Date(state === 'stale' ? Math.max(since, source.since) : since).toISOString(),
    ...(config !== null && { liveHash: config.hash }),
    ...(problems.length > 0 && { problems }),
  };
}

/** What is said of a model: what became of its newest version, unless that serves and its source cannot be trusted. */
export function modelStateOf(entry: ModelEntry, source: SourceStatus, retained: ReadonlySet<string>): ModelReport['state'] {
  if (entry.state !== 'live') return entry.state;
  const isDoubtful = source.kind === 'data-loss' ? retained.has(entry.modelConfigId) : source.state === 'stale';
  return isDoubtful ? 'stale' : 'live';
}

function reasonOf(entry: ModelEntry, state: ModelReport['state'], source: SourceStatus, retained: ReadonlySet<string>): string {
  const serving = entry.config === null ? 'no version serves' : 'the last good version serves';
  if (state === 'live') return '';
  if (state === 'warming') return `being prepared; ${serving}`;
  if (state === 'stale')
    return retained.has(entry.modelConfigId) ? 'the source has lost it' : `the source cannot be followed: ${source.reason}`;
  const first = entry.problems.find(({ severity }) => severity === 'error');
  const what = first === undefined ? 'it was refused' : `${first.code} at ${first.path}: ${shown(first).message}`;
  return `${what}; ${serving}`;
}

/** A problem may quote what is written at its place. */
function shown({ severity, code, path, message }: Problem): Pick<Problem, 'severity' | 'code' | 'path' | 'message'> {
  const text = secretName.test(path) ? 'the value at this place is not shown' : withoutSecrets(message);
  return { severity, code, path, message: text };
}

/** Without what addresses may hold before the host. */
function withoutSecrets(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, '$1***@');
}
