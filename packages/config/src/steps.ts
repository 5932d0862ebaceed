/** Work in portions: whoever runs it decides whether other work comes in between. */
export type Steps<Result> = Generator<undefined, Result, undefined>;

/** Does all portions at once. */
export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * Does portions until they have taken a while, then pauses, and so on.
 * @param pause resolves when other work has been done
 * @param sliceMs how long to work between two pauses
 */
export async function finishInSlices<Result>(steps: Steps<Result>, pause: () => Promise<void>, sliceMs = 8): Promise<Result> {
  let end = performance.now() + sliceMs;
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (performance.now() < end) continue;
    await pause();
    end = performance.now() + sliceMs;
  }
}
