import { UnaryCall } from '../client/unary-call.js';
import type { CallFailure } from '../failure.js';
import { type CallHead, createCallHead } from '../grpc-head.js';

export const echoHead = createCallHead({ path: '/test.Echo/Echo', authority: 'echo' });

/** A call that records its end and complains when there is a second one. */
export class ProbeCall extends UnaryCall {
  readonly body: Uint8Array;
  answer: Uint8Array | null = null;
  failure: CallFailure | null = null;
  ends = 0;
  writes = 0;
  insideStart = true;
  endedInsideStart = false;
  onEnd: (() => void) | null = null;

  constructor(body: Uint8Array | string, timeoutMs = 5000, maxAnswerBytes?: number, head: CallHead = echoHead) {
    super(head, timeoutMs === Number.POSITIVE_INFINITY ? timeoutMs : performance.now() + timeoutMs, maxAnswerBytes);
    this.body = typeof body === 'string' ? Buffer.from(body) : body;
  }

  get byteLength(): number {
    return this.body.length;
  }

  write(target: Uint8Array, at: number): void {
    this.writes++;
    target.set(this.body, at);
  }

  succeeded(message: Uint8Array): void {
    this.answer = message.slice();
    this.#ended();
  }

  failed(failure: CallFailure): void {
    this.failure = failure;
    this.#ended();
  }

  get text(): string {
    return this.answer === null
      ? `failed: ${this.failure?.reason} ${this.failure?.code} ${this.failure?.message}`
      : Buffer.from(this.answer).toString();
  }

  #ended(): void {
    this.ends++;
    if (this.insideStart) this.endedInsideStart = true;
    this.onEnd?.();
  }
}

/** One that stands in line where there is no room. */
export class PatientCall extends ProbeCall {
  override get isPatient(): boolean {
    return true;
  }
}

/** Starts a call and waits for its end. */
export async function run(upstream: { start(call: UnaryCall): void }, call: ProbeCall): Promise<ProbeCall> {
  await new Promise<void>((resolve) => {
    call.onEnd = resolve;
    upstream.start(call);
    call.insideStart = false;
  });
  return call;
}

export async function sleep(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds. */
export async function until(holds: () => boolean, what = 'condition', withinMs = 5000): Promise<void> {
  for (let i = 0; i < withinMs / 5; i++) {
    if (holds()) return;
    await sleep(5);
  }
  throw new Error(`${what} did not come true within ${withinMs} ms`);
}
