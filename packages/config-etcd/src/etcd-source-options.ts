import type { SnapshotStore } from '@inferflow/config';
import { EtcdSourceError, EtcdSourceErrorCode } from './errors.js';
import { configBase } from './key-layout.js';

/** Certificates for TLS: paths of PEM files, read again for every connection so that renewed ones are used, or their content. */
export interface EtcdTls {
  /** Who may sign the servers' certificates. @default the authorities Node trusts */
  readonly ca?: string | Buffer;
  /** Our certificate, with `key`; needed when the servers ask for one. */
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** The name to expect in the servers' certificates. @default the endpoint's host */
  readonly serverName?: string;
}

/** Options of `createEtcdSource`. Only `endpoints` and one of `appName` and `base` are required. */
export interface EtcdSourceOptions {
  /**
   * `http://host:2379`, `https://host:2379` or `host:2379`; one that answers is enough. Without a scheme TLS is used if `tls` is given;
   * `http://` and `tls` exclude each other.
   */
  readonly endpoints: readonly string[];
  /** Name of the service whose keys are read, under `/config/inferflow/services/<appName>/model-config`. */
  readonly appName?: string;
  /** Where the keys are, instead of `appName`. */
  readonly base?: string;
  /** Put in front of the base, for clusters that are divided by prefix. @default '' */
  readonly namespace?: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: EtcdTls | undefined;
  /** Deadline of one call, milliseconds, at most 10⁹. @default 5000 */
  readonly callTimeoutMs?: number;
  /** Whether changes are followed; false reads once. @default true */
  readonly watch?: boolean;
  /**
   * What `start` does when neither etcd nor a stored snapshot can be had: true rejects; false returns a snapshot without models, whose
   * `serviceProblems` say why, and goes on trying.
   * @default true
   */
  readonly waitForFirst?: boolean;
  /** Keeps each good snapshot, and serves the last one when etcd cannot be read at the start. The source closes it. @default none */
  readonly store?: SnapshotStore | undefined;
  /** Time between two looks at the store's revision, milliseconds: what a watch that died silently costs at most, with 4 s on top. At most 10⁹. @default 2000 */
  readonly checkIntervalMs?: number;
  /** Told about keys that are ignored, a stored snapshot that is not used and the like: one sentence for a log. @default nobody is told */
  readonly onNotice?: (notice: string) => void;
}

/** Milliseconds, so far below what a timer takes that a scattered interval is no longer either: one that is would end at once. */
const LONGEST_TIMER_MS = 1_000_000_000;

/** Options with every default filled in. */
export interface ResolvedEtcdSourceOptions {
  /** With a scheme and a port. */
  readonly endpoints: readonly string[];
  readonly base: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: EtcdTls | undefined;
  readonly callTimeoutMs: number;
  readonly watch: boolean;
  readonly waitForFirst: boolean;
  readonly store: SnapshotStore | null;
  readonly checkIntervalMs: number;
  readonly onNotice: (notice: string) => void;
}

/**
 * Checks options and fills in defaults.
 * @throws EtcdSourceError that lists everything that is wrong
 */
export function resolveEtcdSourceOptions(options: EtcdSourceOptions): ResolvedEtcdSourceOptions {
  const problems: string[] = [];
  if (options.endpoints.length === 0) problems.push('endpoints: expected at least one, such as http://etcd:2379');
  const endpoints = options.endpoints.flatMap((text) => {
    const endpoint = toEndpoint(text, options.tls !== undefined);
    if (endpoint === undefined)
      problems.push(`endpoints: expected http://host:port or https://host:port, found ${JSON.stringify(withoutLogin(text))}`);
    else if (options.tls !== undefined && endpoint.startsWith('http:'))
      problems.push(`endpoints: ${endpoint} is plaintext, but tls is given; expected https:// or no scheme`);
    return endpoint === undefined ? [] : [endpoint];
  });
  const base = options.base ?? (options.appName === undefined || options.appName === '' ? undefined : configBase(options.appName));
  if (base === undefined) problems.push('appName: expected the name of the service, or base');
  if ((options.username === undefined) !== (options.password === undefined)) problems.push('username and password go together');
  if ((options.tls?.cert === undefined) !== (options.tls?.key === undefined)) problems.push('tls.cert and tls.key go together');
  const { callTimeoutMs = 5000, checkIntervalMs = 2000 } = options;
  for (const [name, ms] of Object.entries({ callTimeoutMs, checkIntervalMs }))
    if (!(ms > 0 && ms <= LONGEST_TIMER_MS)) problems.push(`${name}: expected more than 0 and at most ${LONGEST_TIMER_MS}, found ${ms}`);
  if (problems.length > 0) throw new EtcdSourceError(EtcdSourceErrorCode.options, problems.join('; '));
  return {
    endpoints: [...new Set(endpoints)],
    base: `${options.namespace ?? ''}${base}`.replace(/\/+$/, ''),
    username: options.username,
    password: options.password,
    tls: options.tls,
    callTimeoutMs,
    watch: options.watch ?? true,
    waitForFirst: options.waitForFirst ?? true,
    store: options.store ?? null,
    checkIntervalMs,
    onNotice: options.onNotice ?? (() => undefined),
  };
}

const DEFAULT_PORT = 2379;

function toEndpoint(text: string, hasTls: boolean): string | undefined {
  const match = /^(?:(https?):\/\/)?([^\s/:@]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?\/?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, scheme = hasTls ? 'https' : 'http', host, port = DEFAULT_PORT] = match;
  return Number(port) > 65_535 ? undefined : `${scheme}://${host}:${port}`;
}

/** A login does not belong into an endpoint, and a password not into an error text. */
function withoutLogin(endpoint: string): string {
  return endpoint.replace(/^([a-z+.-]+:\/\/)?[^/]*@/i, (_, scheme: string | undefined) => `${scheme ?? ''}(hidden)@`);
}
