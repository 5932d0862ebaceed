import { createFailure, type FailureReason, type UnaryCall, type Upstream } from '@inferflow/transport';

/** One started call whose end the test decides. */
export class ManualCall {
  readonly call: UnaryCall;
  /** The request message. */
  readonly message: Uint8Array;
  /** Not ended by the test, not cancelled by its owner. */
  isOpen = true;

  constructor(call: UnaryCall) {
    this.call = call;
    this.message = new Uint8Array(call.byteLength);
    call.write(this.message, 0);
  }

  /** The answer. The bytes are overwritten once the callback returned, as a pooled buffer would be. */
  answer(message: Uint8Array): void {
    if (!this.end()) return;
    const pooled = message.slice();
    this.call.succeeded(pooled);
    pooled.fill(0xee);
  }

  /** The failure. */
  fail(reason: FailureReason, code = 14): void {
    if (this.end()) this.call.failed(createFailure(reason, code, `test failure: ${reason}`));
  }

  /** @internal True the first time. */
  end(): boolean {
    const wasOpen = this.isOpen;
    this.isOpen = false;
    this.call.upstream = null;
    return wasOpen;
  }
}

/** An upstream that answers only when told to: for faults in a chosen order. */
export class ManualUpstream implements Upstream {
  readonly calls: ManualCall[] = [];
  /** Calls given up by their owners. */
  cancelled = 0;
  /** Whether it says that calls stand in line for room. */
  isCrowded = false;

  start(call: UnaryCall): void {
    call.upstream = this;
    this.calls.push(new ManualCall(call));
  }

  cancel(call: UnaryCall): void {
    const started = this.calls.find((entry) => entry.call === call);
    if (started?.end() === true) this.cancelled++;
  }

  async close(): Promise<void> {}

  /** Calls that have not ended. */
  get open(): readonly ManualCall[] {
    return this.calls.filter((call) => call.isOpen);
  }
}
