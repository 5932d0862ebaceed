/** Where the queue gets time from; replaced only by tests. */
export interface DeadlineClock {
  now(): number;
  setTimer(callback: () => void, delayMs: number): DeadlineTimer;
  clearTimer(timer: DeadlineTimer): void;
  /** Runs the callback when the current turn of the event loop has read its sockets. */
  atTurnEnd(callback: () => void): void;
}

/** What is above is over at once, for a timer of Node. */
export const longestTimerMs = 0x7fffffff;

/** A timer that need not keep the process alive. */
export interface DeadlineTimer {
  ref(): unknown;
  unref(): unknown;
}

/** The clock of this process. */
export const systemClock: DeadlineClock = {
  now: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  atTurnEnd: (callback) => void setImmediate(callback),
};
