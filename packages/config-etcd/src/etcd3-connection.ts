import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Etcd3, IOptions, IWatchRequest, IWatchResponse } from 'etcd3';
import { EtcdSourceError, EtcdSourceErrorCode } from './errors.js';
import type {
  ConnectEtcd,
  EtcdConnection,
  EtcdEntry,
  EtcdEvent,
  EtcdHeader,
  EtcdRange,
  EtcdWatch,
  WatchHandlers,
} from './etcd-connection.js';
import { EtcdFailure, toEtcdFailure } from './etcd-failure.js';
import { PageSize, prefixEnd } from './range-pages.js';

/** What a connection needs to know. */
export interface Etcd3ConnectionOptions {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls:
    | { readonly ca?: string | Buffer; readonly cert?: string | Buffer; readonly key?: string | Buffer; readonly serverName?: string }
    | undefined;
  readonly callTimeoutMs: number;
}

type Etcd3Library = typeof import('etcd3');
type WatchStream = Awaited<ReturnType<Etcd3['watchClient']['watch']>>;

/**
 * Connections made with the library `etcd3`. Of the library only plain calls and the raw watch stream are used: its own retries, breakers,
 * watchers and re-login lose events or hang (docs/adr), so a connection has one host, every call a deadline, and nothing is ever repeated.
 * @throws EtcdSourceError if the library is not installed
 */
export async function loadEtcd3(options: Etcd3ConnectionOptions): Promise<ConnectEtcd> {
  let library: Etcd3Library;
  try {
    library = await import('etcd3');
  } catch (cause) {
    const message = 'configuration from etcd needs the package etcd3: npm install etcd3';
    throw new EtcdSourceError(EtcdSourceErrorCode.libraryMissing, message, { cause });
  }
  return (endpoint) => new Etcd3Connection(library, endpoint, options);
}

/** A policy of the library that does nothing. */
const noPolicy = {
  execute: async <T>(call: (context: { signal: AbortSignal; attempt: number }) => T) => call({ signal: neverAborted, attempt: 1 }),
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
};
const neverAborted = new AbortController().signal;

class Etcd3Connection implements EtcdConnection {
  readonly endpoint: string;
  readonly #library: Etcd3Library;
  readonly #options: Etcd3ConnectionOptions;
  #client: Etcd3 | null = null;
  #isAnonymous = false;
  #isClosed = false;
  #streams: WatchStream[] = [];

  constructor(library: Etcd3Library, endpoint: string, options: Etcd3ConnectionOptions) {
    this.#library = library;
    this.endpoint = endpoint;
    this.#options = options;
  }

  async range(prefix: string): Promise<EtcdRange> {
    const entries: EtcdEntry[] = [];
    const pageSize = new PageSize();
    const end = prefixEnd(prefix);
    let from: Buffer = Buffer.from(prefix);
    let header: EtcdHeader | null = null;
    for (;;) {
      const revision = header === null ? {} : { revision: String(header.revision) };
      const request = { key: from, range_end: end, limit: String(pageSize.limit), ...revision };
      const answer = await this.#call((client) => client.kv.range(request));
      header ??= toHeader(answer.header);
      let bytes = 0;
      for (const { key, value, create_revision, mod_revision } of answer.kvs) {
        bytes += value.length;
        const [createRevision, modRevision] = [Number(create_revision), Number(mod_revision)];
        entries.push({ key: key.toString(), text: value.toString(), createRevision, modRevision });
      }
      const last = answer.kvs.at(-1);
      if (!answer.more || last === undefined) return { ...header, entries };
      from = Buffer.concat([last.key, Buffer.alloc(1)]);
      pageSize.learn(answer.kvs.length, bytes);
    }
  }

  async check(prefix: string, withinMs = this.#options.callTimeoutMs): Promise<EtcdHeader> {
    const limitMs = Math.min(withinMs, this.#options.callTimeoutMs);
    const answer = await this.#call((client) => client.kv.range({ key: Buffer.from(prefix), count_only: true }), limitMs);
    return toHeader(answer.header);
  }

  async watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Promise<EtcdWatch> {
    const stream = await this.#call((client) => client.watchClient.watch());
    if (this.#isClosed) {
      stream.cancel();
      throw this.#closed();
    }
    this.#streams.push(stream);
    const watch = new StreamWatch(this.endpoint, stream, handlers);
    const request = { key: Buffer.from(prefix), range_end: prefixEnd(prefix), start_revision: String(fromRevision), fragment: true };
    await this.#inTime(watch.open(request), this.#options.callTimeoutMs);
    return watch;
  }

  close(): void {
    this.#isClosed = true;
    for (const stream of this.#streams.splice(0)) stream.cancel();
    this.#client?.close();
    this.#client = null;
  }

  async #call<T>(call: (client: Etcd3) => Promise<T>, limitMs = this.#options.callTimeoutMs): Promise<T> {
    try {
      if (this.#isClosed) throw this.#closed();
      return await this.#inTime(call(this.#connected()), limitMs);
    } catch (error) {
      // A user was configured before the cluster had users: as every client of etcd, go on without one.
      if (this.#isAnonymous || !/authentication is not enabled/i.test(String(error))) throw toEtcdFailure(this.endpoint, error);
      this.#isAnonymous = true;
      this.#client?.close();
      this.#client = null;
      return this.#call(call, limitMs);
    }
  }

  #connected(): Etcd3 {
    this.#client ??= new this.#library.Etcd3(this.#clientOptions());
    return this.#client;
  }

  #clientOptions(): IOptions {
    const { username, password, tls, callTimeoutMs } = this.#options;
    const isSecure = this.endpoint.startsWith('https:');
    if (isSecure) this.#checkServerName();
    const root = isSecure && tls !== undefined ? { rootCertificate: pem(tls.ca) } : undefined;
    const credentials = root === undefined ? undefined : { ...root, privateKey: pem(tls?.key), certChain: pem(tls?.cert) };
    const hasUser = username !== undefined && password !== undefined && !this.#isAnonymous;
    // The library's types know neither "the default authorities" nor a policy of somebody else.
    return {
      hosts: [this.endpoint],
      ...(credentials !== undefined && { credentials }),
      ...(hasUser && { auth: { username, password } }),
      dialTimeout: callTimeoutMs,
      defaultCallOptions: ({ isStream }: { isStream: boolean }) => (isStream ? {} : { deadline: Date.now() + callTimeoutMs }),
      faultHandling: { host: () => noPolicy, global: noPolicy },
      grpcOptions: {
        'grpc.max_receive_message_length': -1,
        // Without it connections to one address are shared, and a closed one goes on living.
        'grpc.use_local_subchannel_pool': 1,
        ...(tls?.serverName !== undefined && { 'grpc.ssl_target_name_override': tls.serverName }),
      },
    } as unknown as IOptions;
  }

  /** The library sends the host of an endpoint as TLS server name, which newer releases of Node refuse for addresses: it would never connect. */
  #checkServerName(): void {
    const host = new URL(this.endpoint).hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) === 0 || Number.parseInt(process.versions.node, 10) < 26) return;
    const message = `etcd at ${this.endpoint}: Node ${process.versions.node} refuses a TLS server name that is an IP address; name the endpoint by a host name of its certificate`;
    throw new EtcdFailure('tls', message);
  }

  /** The library's own deadline covers calls, but neither its login nor the opening of a stream. */
  async #inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `etcd at ${this.endpoint}: no answer within ${limitMs} ms`;
      timer = setTimeout(() => reject(new EtcdFailure('timeout', message)), limitMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      work.catch(() => undefined);
    }
  }

  #closed(): EtcdFailure {
    return new EtcdFailure('other', `etcd at ${this.endpoint}: the connection is closed`);
  }
}

class StreamWatch implements EtcdWatch {
  readonly #endpoint: string;
  readonly #stream: WatchStream;
  readonly #handlers: WatchHandlers;
  #opening: { readonly resolve: () => void; readonly reject: (failure: EtcdFailure) => void } | null = null;
  #isOver = false;

  constructor(endpoint: string, stream: WatchStream, handlers: WatchHandlers) {
    this.#endpoint = endpoint;
    this.#stream = stream;
    this.#handlers = handlers;
  }

  open(request: NonNullable<IWatchRequest['create_request']>): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.#stream.on('data', (answer) => this.#receive(answer));
      this.#stream.on('error', (error) => this.#end(toEtcdFailure(this.#endpoint, error)));
      this.#stream.on('end', () => this.#end(new EtcdFailure('watch-ended', `etcd at ${this.#endpoint}: the server ended the watch`)));
      this.#stream.write({ create_request: request });
    });
  }

  requestProgress(): void {
    if (!this.#isOver) this.#stream.write({ progress_request: {} });
  }

  close(): void {
    this.#isOver = true;
    this.#stream.cancel();
  }

  #receive(answer: IWatchResponse): void {
    if (this.#isOver) return;
    if (answer.canceled) {
      const compacted = Number(answer.compact_revision) > 0 ? 'compacted: ' : '';
      this.#end(toEtcdFailure(this.#endpoint, new Error(`the watch was cancelled: ${compacted}${answer.cancel_reason}`)));
      return;
    }
    if (answer.created) {
      this.#opening?.resolve();
      this.#opening = null;
      return;
    }
    // The header of an answer with changes tells where the store was, not how far the watch is.
    const changes = answer.events.map(toEvent);
    const revision = changes.at(-1)?.modRevision ?? Number(answer.header.revision);
    // The library's types lack the field; older servers never set it.
    const isPartial = (answer as { readonly fragment?: boolean }).fragment === true;
    this.#handlers.changed(changes, revision, isPartial);
  }

  #end(failure: EtcdFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stream.cancel();
    if (this.#opening !== null) this.#opening.reject(failure);
    else this.#handlers.ended(failure);
    this.#opening = null;
  }
}

function toHeader(header: { readonly cluster_id: string; readonly revision: string }): EtcdHeader {
  return { clusterId: header.cluster_id, revision: Number(header.revision) };
}

function toEvent(event: IWatchResponse['events'][number]): EtcdEvent {
  const { key, value, mod_revision } = event.kv;
  const isDeleted = String(event.type).toUpperCase() === 'DELETE';
  return { key: key.toString(), text: isDeleted ? null : value.toString(), modRevision: Number(mod_revision) };
}

function pem(given: string | Buffer | undefined): Buffer | null {
  if (given === undefined) return null;
  if (typeof given !== 'string') return given;
  return given.includes('-----BEGIN') ? Buffer.from(given) : readFileSync(given);
}
