// The services of the workload without faults, on a minimal HTTP/2 server: cheap, and without the limit on resets that Node's own server
// has before 22.11 (a server that passes its callers' cancellations on would run into it).
import { createServer } from '../../../benchmarks/lib/h2net.mjs';
import { services } from './fault-fakes.mjs';

/** One service on one port. */
export class LeanService {
  calls = 0;
  open = 0;
  /** Calls that the caller gave up before they were answered. */
  cancelled = 0;
  /** Answer time. */
  delayMs = 0;
  /** Called with what `describe` says of every call. */
  onCall = null;
  #sockets = new Set();

  constructor(kind) {
    this.service = services[kind];
  }

  async start(port = 0, host = '127.0.0.1') {
    this.server = createServer((stream) => this.#call(stream));
    this.server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, resolve);
    });
    this.port = this.server.address().port;
    return this;
  }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #call(stream) {
    // Questions about a model are not what is counted here.
    if (/GRPCInferenceService\/(?!ModelInfer$)/.test(stream.header(':path'))) {
      stream.fail(12, 'this model server infers and no more');
      return;
    }
    this.calls++;
    this.open++;
    this.onCall?.(this.service.describe(stream.msg));
    // The message may lie in a buffer that is used again.
    const message = this.delayMs > 0 ? Buffer.from(stream.msg) : stream.msg;
    let isOver = false;
    const over = () => {
      if (isOver) return false;
      isOver = true;
      this.open--;
      return true;
    };
    stream.onabort = () => {
      if (over()) this.cancelled++;
    };
    const answer = () => {
      if (over()) stream.respond(this.service.answer(message, null));
    };
    if (this.delayMs > 0) setTimeout(answer, this.delayMs);
    else answer();
  }
}

/** All three, closed with the run. */
export async function startLeanFakes(run) {
  const fakes = {};
  for (const kind of ['store', 'model', 'compute']) {
    fakes[kind] = await new LeanService(kind).start();
    run.defer(() => fakes[kind].stop());
  }
  return fakes;
}
