// Writes model configurations to an etcd, as the control plane does.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(fileURLToPath(new URL('../../../packages/config-etcd/package.json', import.meta.url)));
const noBreaker = { execute: (call) => call({}), onSuccess: () => {}, onFailure: () => {} };

export class EtcdWriter {
  #options;
  #client = null;
  #written = 0;

  constructor(cluster, appName = 'soak') {
    const { Etcd3 } = require('etcd3');
    const { readFileSync } = require('node:fs');
    const { tls, auth } = cluster.state;
    const file = (name) => readFileSync(cluster.tlsFile(name));
    this.Etcd3 = Etcd3;
    this.base = `/config/inferflow/services/${appName}/model-config`;
    this.#options = () => ({
      hosts: cluster.endpoints,
      defaultCallOptions: () => ({ deadline: Date.now() + 3000 }),
      faultHandling: { host: () => noBreaker },
      ...(auth && { auth: { username: 'root', password: 'root' } }),
      ...(tls && { credentials: { rootCertificate: file('ca.crt'), privateKey: file('client.key'), certChain: file('client.crt') } }),
    });
  }

  key(id) {
    return `${this.base}/config-map/${id}`;
  }

  async put(id, config) {
    await this.raw((client) => client.put(this.key(id)).value(typeof config === 'string' ? config : JSON.stringify(config)));
  }

  async remove(id) {
    await this.raw((client) => client.delete().key(this.key(id)));
  }

  async removePrefix(prefix) {
    await this.raw((client) => client.delete().prefix(prefix));
  }

  async putKey(key, text) {
    await this.raw((client) => client.put(key).value(text));
  }

  /**
   * The same writes, each exactly once: one whose answer was lost between two leaders may otherwise come into force after it has been
   * repeated, and after what was written next. Not for writes at the same time.
   * @param operation makes the write with a client
   */
  async once(operation) {
    const fence = '/written-once';
    const count = this.#written++;
    await this.raw((client) => client.if(fence, 'Version', '==', count).then(operation(client), client.put(fence).value('x')).commit());
  }

  /** What etcd has of a model: its text and revision, undefined if nothing. */
  async get(id) {
    const { kvs } = await this.raw((client) => client.get(this.key(id)).exec());
    return kvs[0] === undefined ? undefined : { text: kvs[0].value.toString(), revision: kvs[0].mod_revision };
  }

  /** Until it succeeds: etcd may be between two leaders. A fresh client, since one that met a restart may hang. */
  async raw(call, withinMs = 20_000) {
    const end = Date.now() + withinMs;
    for (;;) {
      this.#client ??= new this.Etcd3(this.#options());
      try {
        return await Promise.race([call(this.#client), late()]);
      } catch (error) {
        this.close();
        if (Date.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  close() {
    this.#client?.close();
    this.#client = null;
  }
}

const late = () =>
  new Promise((_, reject) => {
    setTimeout(() => reject(new Error('etcd does not answer')), 4000).unref();
  });
