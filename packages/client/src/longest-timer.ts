/** Milliseconds that a timer takes at most; one that should run longer ends at once. */
export const LONGEST_TIMER_MS = 0x7fff_ffff;
