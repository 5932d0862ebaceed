import type { Etcd3, IKeyValue, IWatchRequest, IWatchResponse } from 'etcd3';
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
import { type Etcd3Client, type Etcd3ConnectionOptions, loadEtcd3Clients } from './etcd3-client.js';
import { PageSize, prefixEnd } from './range-pages.js';

type WatchStream = Awaited<ReturnType<Etcd3['watchClient']['watch']>>;

/**
 * Connections made with the library `etcd3`.
 * @throws EtcdSourceError if the library is not installed
 */
export async function loadEtcd3(options: Etcd3ConnectionOptions): Promise<ConnectEtcd> {
  const createClient = await loadEtcd3Clients(options);
  return (endpoint) => new Etcd3Connection(createClient(endpoint));
}

/** @internal */
export class Etcd3Connection implements EtcdConnection {
  readonly endpoint: string;
  readonly #client: Etcd3Client;
  readonly #streams: WatchStream[] = [];

  constructor(client: Etcd3Client) {
    this.endpoint = client.endpoint;
    this.#client = client;
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
      const answer = await this.#client.call((client) => client.kv.range(request));
      header ??= toHeader(answer.header);
      let bytes = 0;
      for (const found of answer.kvs) {
        bytes += found.value.length;
        entries.push(toEntry(found));
      }
      const last = answer.kvs.at(-1);
      if (!answer.more || last === undefined) return { ...header, entries };
      from = Buffer.concat([last.key, Buffer.alloc(1)]);
      pageSize.learn(answer.kvs.length, bytes);
    }
  }

  async check(prefix: string, withinMs = this.#client.callTimeoutMs): Promise<EtcdHeader> {
    const limitMs = Math.min(withinMs, this.#client.callTimeoutMs);
    const answer = await this.#client.call((client) => client.kv.range({ key: Buffer.from(prefix), count_only: true }), limitMs);
    return toHeader(answer.header);
  }

  async watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Promise<EtcdWatch> {
    const stream = await this.#client.call((client) => client.watchClient.watch());
    if (this.#client.isClosed) {
      stream.cancel();
      throw this.#client.closed();
    }
    this.#streams.push(stream);
    const watch = new StreamWatch(this.#client.endpoint, stream, handlers);
    const request = { key: Buffer.from(prefix), range_end: prefixEnd(prefix), start_revision: String(fromRevision), fragment: true };
    await this.#client.inTime(watch.open(request), this.#client.callTimeoutMs);
    return watch;
  }

  close(): void {
    for (const stream of this.#streams.splice(0)) stream.cancel();
    this.#client.close();
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

/** @internal */
export function toEntry({ key, value, create_revision, mod_revision }: IKeyValue): EtcdEntry {
  return {
    key: key.toString(),
    text: value.toString(),
    createRevision: Number(create_revision),
    modRevision: Number(mod_revision),
  };
}

function toHeader(header: { readonly cluster_id: string; readonly revision: string }): EtcdHeader {
  return { clusterId: header.cluster_id, revision: Number(header.revision) };
}

function toEvent(event: IWatchResponse['events'][number]): EtcdEvent {
  const { key, value, mod_revision } = event.kv;
  const isDeleted = String(event.type).toUpperCase() === 'DELETE';
  return { key: key.toString(), text: isDeleted ? null : value.toString(), modRevision: Number(mod_revision) };
}
