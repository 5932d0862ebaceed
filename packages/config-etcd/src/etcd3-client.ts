import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import type { Etcd3, IOptions } from 'etcd3';
import { EtcdSourceError, EtcdSourceErrorCode } from './errors.js';
import { EtcdFailure, toEtcdFailure } from './etcd-failure.js';

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

/**
 * Clients of the library `etcd3`. Of the library only plain calls and the raw watch stream are used: its own retries, breakers,
 * watchers and re-login lose events or hang (docs/adr), so a client has one host, every call a deadline, and nothing is ever repeated.
 * @throws EtcdSourceError if the library is not installed
 */
export async function loadEtcd3Clients(options: Etcd3ConnectionOptions): Promise<(endpoint: string) => Etcd3Client> {
  let library: Etcd3Library;
  try {
    library = await import('etcd3');
  } catch (cause) {
    const message = 'configuration from etcd needs the package etcd3: npm install etcd3';
    throw new EtcdSourceError(EtcdSourceErrorCode.libraryMissing, message, { cause });
  }
  return (endpoint) => new Etcd3Client(library, endpoint, options);
}

/** A policy of the library that does nothing. */
const noPolicy = {
  execute: async <T>(call: (context: { signal: AbortSignal; attempt: number }) => T) => call({ signal: neverAborted, attempt: 1 }),
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
};
const neverAborted = new AbortController().signal;

/** One client of the library with one host. All failures are `EtcdFailure`. */
export class Etcd3Client {
  readonly endpoint: string;
  readonly #library: Etcd3Library;
  readonly #options: Etcd3ConnectionOptions;
  #client: Etcd3 | null = null;
  #isAnonymous = false;
  #isClosed = false;

  constructor(library: Etcd3Library, endpoint: string, options: Etcd3ConnectionOptions) {
    this.#library = library;
    this.endpoint = endpoint;
    this.#options = options;
  }

  get callTimeoutMs(): number {
    return this.#options.callTimeoutMs;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.#client?.close();
    this.#client = null;
  }

  /** Calls with a deadline. */
  async call<T>(call: (client: Etcd3) => Promise<T>, limitMs = this.#options.callTimeoutMs): Promise<T> {
    try {
      if (this.#isClosed) throw this.closed();
      return await this.inTime(call(this.#connected()), limitMs);
    } catch (error) {
      // A user was configured before the cluster had users: as every client of etcd, go on without one.
      if (this.#isAnonymous || !/authentication is not enabled/i.test(String(error))) throw toEtcdFailure(this.endpoint, error);
      this.#isAnonymous = true;
      this.#client?.close();
      this.#client = null;
      return this.call(call, limitMs);
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
  async inTime<T>(work: Promise<T>, limitMs: number): Promise<T> {
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

  closed(): EtcdFailure {
    return new EtcdFailure('other', `etcd at ${this.endpoint}: the connection is closed`);
  }
}

function pem(given: string | Buffer | undefined): Buffer | null {
  if (given === undefined) return null;
  if (typeof given !== 'string') return given;
  return given.includes('-----BEGIN') ? Buffer.from(given) : readFileSync(given);
}
