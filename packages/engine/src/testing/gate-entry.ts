import { Admission, type AdmissionGate, type GateGuest, type GateWaiter, outsideGate } from '../admission/admission-gate.js';

/** Somebody at a gate. */
export class Entry implements GateWaiter, GateGuest {
  gatePrevious: GateWaiter | null = null;
  gateNext: GateWaiter | null = null;
  isWaiting = false;
  beganAt = outsideGate;
  began = 0;
  retryAfterMs = 0;
  readonly answerBy: number;
  readonly gate: AdmissionGate;
  /** What happens when it has begun. */
  onBegin: () => void = () => {};
  /** What happens when it has waited and is turned away. */
  onTurnedAway: () => void = () => {};
  now: () => number;
  constructor(gate: AdmissionGate, now: () => number, answerBy = Number.POSITIVE_INFINITY) {
    this.gate = gate;
    this.now = now;
    this.answerBy = answerBy;
  }
  /** What a door does with the gate's answer. */
  enter(): Admission {
    const admission = this.gate.ask(this.answerBy, this.now());
    if (admission === Admission.begin) this.begin();
    else if (admission === Admission.wait) this.gate.wait(this);
    return admission;
  }
  begin(): void {
    this.began++;
    this.gate.letIn(this, this.now());
    this.onBegin();
  }
  turnedAway(retryAfterMs: number): void {
    this.retryAfterMs = retryAfterMs;
    this.onTurnedAway();
  }
  leave(): void {
    this.gate.giveUp(this);
    this.gate.leave(this, this.now());
  }
  get isInside(): boolean {
    return this.beganAt !== outsideGate;
  }
}

/** So many come at once. */
export function enter(
  gate: AdmissionGate,
  count: number,
  now: () => number,
  answerBy?: number,
): { entries: Entry[]; admissions: Admission[] } {
  const entries = Array.from({ length: count }, () => new Entry(gate, now, answerBy));
  return { entries, admissions: entries.map((entry) => entry.enter()) };
}
