import { longCallers, shortCallers } from './callers.mjs';

export const name = 'callers-lean';
export const about = 'the same hostile callers against the lean listener';
export const short = (run) => shortCallers(run, true);
export const long = (run, minutes) => longCallers(run, minutes, true);
