import { afterEach, beforeEach } from 'vitest';

/** The process warnings of the test that runs; to be called beside the tests. */
export function collectWarnings(): readonly Error[] {
  const warnings: Error[] = [];
  const note = (warning: Error) => warnings.push(warning);
  beforeEach(() => {
    process.on('warning', note);
  });
  afterEach(() => {
    process.off('warning', note);
    warnings.length = 0;
  });
  return warnings;
}
