// Stands between the members of an etcd cluster, one relay in front of each member's peer port, so that a member can be cut off from
// the others while clients still reach it. Who calls is told by a header that members send each other.
import net from 'node:net';

const FROM = /x-server-from: ([0-9a-f]+)/i;

export class PeerProxies {
  #relays = [];
  /** Number of a member by its id in hexadecimal digits. */
  #members = new Map();
  #isolated = new Set();
  #links = new Set();

  /** Starts a relay in front of the peer port of the next member; gives the relay's port. */
  async add(targetPort) {
    const member = this.#relays.length;
    const server = net.createServer((socket) => this.#relay(socket, member, targetPort));
    this.#relays.push(server);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server.address().port;
  }

  /** Learns the ids of the members, which exist once the cluster does. */
  async learn(cluster) {
    for (const member of cluster.state.members.keys()) {
      const { header } = await cluster.rootApi('maintenance/status', {}, member);
      this.#members.set(BigInt(header.member_id).toString(16), member);
    }
  }

  /** Cuts members off from all others; an empty list heals everything. */
  isolate(members) {
    this.#isolated = new Set(members);
    for (const link of this.#links) if (this.#isCut(link)) link.destroy();
  }

  async stop() {
    for (const link of this.#links) link.destroy();
    await Promise.all(this.#relays.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #isCut({ from, to }) {
    return this.#isolated.has(to) || this.#isolated.has(from);
  }

  #relay(socket, to, targetPort) {
    const upstream = net.connect(targetPort, '127.0.0.1');
    const link = {
      to,
      from: undefined,
      destroy: () => {
        socket.destroy();
        upstream.destroy();
      },
    };
    this.#links.add(link);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ]) {
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#links.delete(link);
        other.destroy();
      });
    }
    let head = '';
    socket.on('data', (chunk) => {
      // A connection belongs to one caller, who says so in the first request.
      if (link.from === undefined && head.length < 8192) {
        head += chunk.toString('latin1');
        const [, id] = FROM.exec(head) ?? [];
        if (id !== undefined) link.from = this.#members.get(id);
      }
      if (this.#isCut(link)) link.destroy();
      else if (!upstream.destroyed) upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (this.#isCut(link)) link.destroy();
      else if (!socket.destroyed) socket.write(chunk);
    });
  }
}
