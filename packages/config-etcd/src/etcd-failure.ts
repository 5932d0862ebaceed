/** Why etcd could not be used. */
export type EtcdFailureKind =
  | 'unreachable'
  | 'timeout'
  | 'no-leader'
  | 'unauthenticated'
  | 'forbidden'
  | 'tls'
  | 'compacted'
  | 'watch-ended'
  | 'watch-silent'
  | 'data-loss'
  | 'too-large'
  | 'no-space'
  | 'other';

const brand = Symbol.for('inferflow.EtcdFailure');

/** A failed call or a broken watch. Its message holds neither values nor passwords. `instanceof` also holds across copies of the package. */
export class EtcdFailure extends Error {
  override readonly name = 'EtcdFailure';
  readonly kind: EtcdFailureKind;

  constructor(kind: EtcdFailureKind, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** Words in the messages of etcd, gRPC and TLS, most telling first. */
const signs: readonly (readonly [EtcdFailureKind, RegExp, string])[] = [
  ['too-large', /request is too large|larger than max|too many operations/i, 'the request is larger than the cluster accepts'],
  ['no-space', /space exceeded/i, 'the storage of the cluster is full; compact and defragment it, then disarm the alarm'],
  ['forbidden', /permission denied/i, 'the user may not read the keys; grant read permission on the prefix'],
  [
    'unauthenticated',
    /invalid auth token|auth(?:entication)? failed|invalid user|user name (?:is empty|not found)|user name|revision in header is old|unauthenticated/i,
    'the login was refused; check user and password',
  ],
  // The other side went away during the handshake: that says nothing about certificates.
  ['unreachable', /disconnected before secure TLS connection/i, 'not reachable'],
  [
    'tls',
    /certificate|self.signed|handshake|\btls\b|\bssl\b|EPROTO|ALPN|wrong version number/i,
    'the TLS connection was refused; check the certificates of both sides',
  ],
  ['compacted', /compacted/i, 'the history up to there has been compacted'],
  ['no-leader', /no leader|leader changed|not (?:the )?leader|request timed out|too many requests/i, 'the cluster has no leader just now'],
  ['timeout', /deadline|timed? ?out/i, 'no answer in time'],
  ['unreachable', /unavailable|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST|ENET|connection|socket|GOAWAY|stream/i, 'not reachable'],
];

/** Names what went wrong from an error of the client library. */
export function toEtcdFailure(endpoint: string, error: unknown): EtcdFailure {
  if (error instanceof EtcdFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  const [kind, , meaning] = signs.find(([, sign]) => sign.test(text)) ?? (['other', /./, 'failed'] as const);
  const detail = text
    .replace(/ \(\d{4}-[^)]*\)/g, '')
    .replace(/ ?Resolution note:/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
  return new EtcdFailure(kind, `etcd at ${endpoint}: ${meaning} (${detail})`, { cause: error });
}
