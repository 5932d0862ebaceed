import type { ICompare, IRequestOp } from 'etcd3';
import type { EtcdEntry, EtcdHeader, EtcdRange } from '../etcd-connection.js';
import { type Etcd3Client, type Etcd3ConnectionOptions, loadEtcd3Clients } from '../etcd3-client.js';
import { Etcd3Connection, toEntry } from '../etcd3-connection.js';
import { prefixEnd } from '../range-pages.js';
import type { ConnectEtcdWriter, EtcdCommit, EtcdTransaction, EtcdWriter } from './etcd-writer.js';

/**
 * Writers made with the library `etcd3`.
 * @throws EtcdSourceError if the library is not installed
 */
export async function loadEtcd3Writers(options: Etcd3ConnectionOptions): Promise<ConnectEtcdWriter> {
  const createClient = await loadEtcd3Clients(options);
  return (endpoint) => new Etcd3Writer(createClient(endpoint));
}

class Etcd3Writer implements EtcdWriter {
  readonly endpoint: string;
  readonly #client: Etcd3Client;
  readonly #reader: Etcd3Connection;

  constructor(client: Etcd3Client) {
    this.endpoint = client.endpoint;
    this.#client = client;
    this.#reader = new Etcd3Connection(client);
  }

  range(prefix: string): Promise<EtcdRange> {
    return this.#reader.range(prefix);
  }

  check(prefix: string, withinMs?: number): Promise<EtcdHeader> {
    return this.#reader.check(prefix, withinMs);
  }

  async last(prefix: string): Promise<EtcdEntry | null> {
    const order = { sort_order: 'Descend', sort_target: 'Key' } as const;
    const request = { key: Buffer.from(prefix), range_end: prefixEnd(prefix), limit: '1', ...order };
    const { kvs } = await this.#client.call((client) => client.kv.range(request));
    return kvs[0] === undefined ? null : toEntry(kvs[0]);
  }

  async commit({ compare, put, delete: deletions }: EtcdTransaction): Promise<EtcdCommit> {
    const request = {
      compare: compare.map(
        ({ key, modRevision }): ICompare => ({
          key: Buffer.from(key),
          target: 'Mod',
          result: 'Equal',
          mod_revision: String(modRevision),
        }),
      ),
      success: [
        ...put.map(({ key, text }): IRequestOp => ({ request_put: { key: Buffer.from(key), value: Buffer.from(text) } })),
        ...deletions.map(({ from, to }): IRequestOp => ({ request_delete_range: { key: Buffer.from(from), range_end: Buffer.from(to) } })),
      ],
    };
    const { succeeded, header } = await this.#client.call((client) => client.kv.txn(request));
    return { succeeded, revision: Number(header.revision) };
  }

  close(): void {
    this.#reader.close();
  }
}
