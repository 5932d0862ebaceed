import { PatientTimer } from './patient-timer.js';

/** Servers (grpc-go) close connections that ping them more than twice without sending anything in between. */
const mostSilentPings = 2;
/** … but a peer that may be gone is asked once a minute all the same. */
const silentPingEveryMs = 60_000;

/** The connection a {@link SilenceWatch} looks after. */
export interface SilenceOwner {
  /** Counts headers and data from the peer. */
  readonly heard: number;
  readonly openStreams: number;
  /** Asks the peer whether it is there. */
  ping(): void;
  /** The peer did not answer. */
  peerVanished(message: string): void;
}

/** Finds out whether a silent peer is still there. Runs only while calls are open, so an idle connection wakes nobody. */
export class SilenceWatch {
  readonly #owner: SilenceOwner;
  readonly #keepaliveMs: number;
  readonly #timeoutMs: number;
  #silenceTimer: NodeJS.Timeout | null = null;
  #pingTimer: PatientTimer | null = null;
  #heardAtCheck = 0;
  #silentPings = 0;
  #pingedAt = 0;
  #isStopped = false;

  /** @param timeoutMs for the answer to a ping */
  constructor(owner: SilenceOwner, keepaliveMs: number, timeoutMs: number) {
    this.#owner = owner;
    this.#keepaliveMs = keepaliveMs;
    this.#timeoutMs = timeoutMs;
  }

  /** A call was started. */
  callStarted(): void {
    if (this.#silenceTimer === null && !this.#isStopped) this.#watch();
  }

  /** Asks now, unless the peer was asked too often lately. */
  probe(): void {
    if (this.#pingTimer !== null || this.#isStopped) return;
    if (this.#owner.heard > this.#heardAtCheck) this.#silentPings = 0;
    const now = performance.now();
    if (this.#silentPings >= mostSilentPings && now - this.#pingedAt < silentPingEveryMs) return;
    this.#silentPings++;
    this.#pingedAt = now;
    const { heard } = this.#owner;
    this.#heardAtCheck = heard;
    this.#pingTimer = new PatientTimer(this.#timeoutMs, () => {
      this.#pingTimer = null;
      // Who answers calls is there: the answer to the ping stands in line behind them.
      if (this.#owner.heard === heard) this.#owner.peerVanished(`no answer to a ping within ${this.#timeoutMs} ms`);
    });
    this.#owner.ping();
  }

  /** The peer answered. */
  pingAnswered(): void {
    this.#pingTimer?.stop();
    this.#pingTimer = null;
  }

  /** Ends all timers for good. */
  stop(): void {
    this.#isStopped = true;
    this.pingAnswered();
    if (this.#silenceTimer !== null) clearTimeout(this.#silenceTimer);
    this.#silenceTimer = null;
  }

  #watch(): void {
    this.#heardAtCheck = this.#owner.heard;
    this.#silenceTimer = setTimeout(() => {
      this.#silenceTimer = null;
      if (this.#owner.openStreams === 0) return;
      if (this.#heardAtCheck === this.#owner.heard) this.probe();
      else this.#silentPings = 0;
      this.#watch();
    }, this.#keepaliveMs);
    this.#silenceTimer.unref();
  }
}
