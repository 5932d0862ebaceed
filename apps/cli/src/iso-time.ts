import { InputError } from './config-input.js';

const iso = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;

/**
 * A time as people write it for machines, in ms since 1970; undefined for what is none. `Date.parse` alone takes `-5` for the year 2001.
 */
export function isoTime(text: string): number | undefined {
  const time = iso.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

/** The time that a flag names. @throws InputError */
export function timeFlag(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const time = isoTime(text);
  if (time === undefined) throw new InputError(`${flag} ${text}: expected a time such as 2026-01-31T12:00:00Z`);
  return time;
}
