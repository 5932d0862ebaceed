import { Admission, AdmissionGate } from '../admission/admission-gate.js';
import { Entry } from './gate-entry.js';
import { Random } from './random-world.js';

/** Works on what a request asks of it; `done` once, `isGone` when nobody waits for that any more. */
export type SimulatedUpstream = (kind: string, done: () => void, isGone: () => boolean) => void;

interface SimulatedEvent {
  readonly at: number;
  happen(): void;
}

/** Requests come to a gate by chance, at a steady rate, and have one call each, on a clock of their own. Chance is the same in each run. */
export class GateWorld {
  readonly gate = new AdmissionGate(10_000);
  now = 0;
  /** All since {@link GateWorld.count}. */
  asked = 0;
  answered = 0;
  refused = 0;
  /** Calls that reached their deadline. */
  late = 0;
  readonly #callMs: number;
  readonly #deadlineMs: number;
  /** Latest first. */
  readonly #events: SimulatedEvent[] = [];
  readonly #random: Random;

  constructor({ callMs, deadlineMs, seed = 1 }: { callMs: number; deadlineMs: number; seed?: number }) {
    this.#callMs = callMs;
    this.#deadlineMs = deadlineMs;
    this.#random = new Random(seed);
  }

  /** Up to half less or more. */
  around(ms: number): number {
    return ms * (0.5 + this.#random.next());
  }

  /** Log-normal: some are many times the median. */
  aroundMedian(medianMs: number, sigma: number): number {
    return medianMs * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - this.#random.next())) * Math.cos(2 * Math.PI * this.#random.next()));
  }

  after(ms: number, happen: () => void): void {
    const at = this.now + ms;
    const events = this.#events;
    let index = events.length;
    while (index > 0 && (events[index - 1] as SimulatedEvent).at < at) index--;
    events.splice(index, 0, { at, happen });
  }

  /** An upstream that takes so long for each, however many there are. */
  unlimited(takesMs: (kind: string) => number): SimulatedUpstream {
    return (kind, done) => this.after(takesMs(kind), done);
  }

  /** An upstream that works on so many at once, the others wait for those in order. */
  pool(servers: () => number, takesMs: () => number): SimulatedUpstream {
    const queue: { done(): void; isGone(): boolean }[] = [];
    let busy = 0;
    const serve = () => {
      while (busy < servers() && queue.length > 0) {
        const { done, isGone } = queue.shift() as { done(): void; isGone(): boolean };
        if (isGone()) continue;
        busy++;
        this.after(takesMs(), () => {
          busy--;
          done();
          serve();
        });
      }
    };
    return (_kind, done, isGone) => {
      queue.push({ done, isGone });
      serve();
    };
  }

  /** From now on so many come in a second. */
  come(perSecond: () => number, upstream: SimulatedUpstream, kind = ''): void {
    this.#enter(upstream, kind);
    this.after((-Math.log(1 - this.#random.next()) * 1000) / perSecond(), () => this.come(perSecond, upstream, kind));
  }

  run(seconds: number): void {
    const until = this.now + seconds * 1000;
    for (let next = this.#events.at(-1); next !== undefined && next.at <= until; next = this.#events.at(-1)) {
      this.#events.pop();
      this.now = next.at;
      next.happen();
    }
    this.now = until;
  }

  /** Counts from here. */
  count(): void {
    this.asked = this.answered = this.refused = this.late = 0;
  }

  #enter(upstream: SimulatedUpstream, kind: string): void {
    const entry = new Entry(this.gate, () => this.now, this.now + this.#deadlineMs);
    entry.onBegin = () => this.#call(entry, upstream, kind);
    entry.onTurnedAway = () => this.refused++;
    this.asked++;
    const admission = entry.enter();
    if (admission === Admission.refuse) this.refused++;
    if (admission !== Admission.wait) return;
    this.after(this.#deadlineMs, () => {
      if (!entry.isWaiting) return;
      this.refused++;
      entry.leave();
    });
  }

  #call(entry: Entry, upstream: SimulatedUpstream, kind: string): void {
    const began = this.now;
    const end = (isLate: boolean) => {
      if (!entry.isInside) return;
      if (isLate) this.late++;
      else this.answered++;
      this.gate.called(0, this.now - began, this.#callMs, this.now);
      entry.leave();
    };
    this.after(this.#callMs, () => end(true));
    upstream(
      kind,
      () => end(false),
      () => !entry.isInside,
    );
  }
}
