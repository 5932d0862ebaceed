// The two kinds of load. `send(index, due, done)` sends one request and calls `done(error)` once it is over, with null when it was answered.
// A loop ends when its time is over and nothing is under way, at the latest `graceMs` after its time; it resolves with the seconds that it
// took and with how many requests were never over.

/** What a connection that is gone would otherwise be asked without end. */
const pauseAfterFailureMs = 2;

/** @param load { outstanding, seconds, graceMs, send }: so many requests are kept under way */
export function closedLoop(load) {
  return runLoop(load, ({ end, start, endIfDone }) => {
    const next = (index) => {
      const now = performance.now();
      if (now >= end) endIfDone();
      else start(index, now, (error) => (error ? setTimeout(next, pauseAfterFailureMs, index) : next(index)));
    };
    for (let index = 0; index < load.outstanding; index++) next(index);
  });
}

/** @param load { rate, seconds, graceMs, send, random, onTurn }: sent when they are due, whatever is under way; `onTurn` is told how late, in ms */
export function openLoop(load) {
  const dues = arrivals(load.rate, load.seconds, load.random);
  return runLoop(load, ({ began, end, start, endIfDone }) => {
    let index = 0;
    const over = () => {
      if (index === dues.length) endIfDone();
    };
    const turn = () => {
      const now = performance.now();
      const elapsed = now - began;
      if (dues[index] <= elapsed) load.onTurn?.(elapsed - dues[index]);
      for (; dues[index] <= elapsed; index++) start(index, began + dues[index], over);
      // The last answer is often there before the time is over, so the end is waited for as well.
      const wakeAt = index < dues.length ? began + dues[index] : end;
      if (index < dues.length || now < end) setTimeout(turn, Math.max(1, wakeAt - performance.now()));
      else endIfDone();
    };
    turn();
  });
}

function runLoop({ seconds, graceMs, send }, begin) {
  return new Promise((resolve) => {
    let open = 0;
    const began = performance.now();
    const end = began + seconds * 1000;
    const finish = () => {
      clearTimeout(limit);
      resolve({ elapsed: (performance.now() - began) / 1000, missed: open });
    };
    const limit = setTimeout(finish, seconds * 1000 + graceMs);
    const endIfDone = () => {
      if (open === 0 && performance.now() >= end) finish();
    };
    const start = (index, due, then) => {
      open++;
      send(index, due, (error) => {
        open--;
        then(error);
      });
    };
    begin({ began, end, start, endIfDone });
  });
}

/** Milliseconds after the start: a Poisson process given how many arrive, so that the rate of a short load is right too. */
export function arrivals(rate, seconds, random) {
  const count = Math.max(1, Math.round(rate * seconds));
  return Float64Array.from({ length: count }, () => random() * seconds * 1000).sort();
}
