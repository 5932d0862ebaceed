// A TCP relay in front of a port, to cut a connection off or to let it hang without touching what is behind it.
import net from 'node:net';

export class CutProxy {
  /** `pass`, `cut` (connections are refused and broken) or `hang` (nothing gets through any more, nothing breaks). */
  mode = 'pass';
  #sockets = new Set();

  /** @param delayMs how long every piece takes, in both directions */
  constructor(targetPort, delayMs = 0) {
    this.targetPort = targetPort;
    this.delayMs = delayMs;
  }

  async start() {
    this.server = net.createServer((socket) => this.#relay(socket));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }

  set(mode) {
    this.mode = mode;
    for (const socket of this.#sockets) {
      if (mode === 'cut') socket.destroy();
      else if (mode === 'hang') socket.pause();
      // A connection that hung is broken in the end: both sides have given it up.
      else if (socket.isPaused()) socket.destroy();
    }
  }

  async stop() {
    this.set('cut');
    await new Promise((resolve) => this.server.close(resolve));
  }

  #relay(socket) {
    if (this.mode === 'cut') {
      socket.destroy();
      return;
    }
    const upstream = net.connect(this.targetPort, '127.0.0.1');
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ]) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.on('data', (chunk) => {
        const pass = () => {
          if (!other.destroyed) other.write(chunk);
        };
        if (this.delayMs > 0) setTimeout(pass, this.delayMs);
        else pass();
      });
      if (this.mode === 'hang') one.pause();
    }
  }
}
