import { UnaryCall } from '../../../packages/transport/dist/index.js';

/** A call of some bytes; `done(answer, failure)` once it has ended. */
export class PeerCall extends UnaryCall {
  constructor(head, body, timeoutMs, done) {
    super(head, performance.now() + timeoutMs);
    this.body = body;
    this.done = done;
  }
  get byteLength() {
    return this.body.length;
  }
  write(target, at) {
    target.set(this.body, at);
  }
  succeeded(message) {
    this.done(Buffer.from(message), null);
  }
  failed(failure) {
    this.done(null, failure);
  }
}
