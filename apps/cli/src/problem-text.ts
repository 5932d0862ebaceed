import type { Problem } from '@inferflow/config';

/** A problem in three lines, for people. */
export function problemText(problem: Problem): string {
  return placedProblemText(problem, undefined);
}

/** {@link problemText} with where in a file it is, if that is known. */
export function placedProblemText(problem: Problem, place: string | undefined): string {
  const details = [
    problem.found === undefined ? '' : `found ${problem.found}`,
    problem.expected === undefined ? '' : `expected ${problem.expected}`,
  ];
  const detail = details.filter((part) => part !== '').join(', ');
  const lines = [
    `  ${problem.severity.padEnd(8)}${problem.path}${place === undefined ? '' : `  (${place})`}`,
    `          ${problem.message}`,
    `          ${problem.code}${detail === '' ? '' : ` (${detail})`}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** `1 error, 2 warnings, 0 hints`. */
export function countText(problems: readonly Problem[]): string {
  const counts = (['error', 'warning', 'hint'] as const).map((severity) => {
    const count = problems.filter((problem) => problem.severity === severity).length;
    return `${count} ${severity}${count === 1 ? '' : 's'}`;
  });
  return counts.join(', ');
}
