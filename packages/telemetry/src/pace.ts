import { setImmediate as nextTurn } from 'node:timers/promises';

/** Work on thousands of series is done in slices, between which requests are answered. */
const SLICE_MS = 8;

/** To be awaited after each piece of long work: gives way to other work when the slice is over. */
export function createPace(): () => Promise<void> | undefined {
  const next = async (): Promise<void> => {
    await nextTurn();
    end = performance.now() + SLICE_MS;
  };
  let end = performance.now() + SLICE_MS;
  return () => (performance.now() < end ? undefined : next());
}
