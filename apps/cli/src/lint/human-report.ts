import { countText, placedProblemText } from '../problem-text.js';
import { allProblems, type Linted, type LintReport, rangeOf } from './lint-report.js';

/** The report for people. */
export function humanReport(report: LintReport): string {
  const models = report.models.map((part) => {
    const heading = `${part.file}: ${part.modelConfigId} ${part.config === null ? 'is refused' : 'is accepted'} (${countText(part.problems)})\n`;
    // What is assumed matters once the model is accepted; until then it only hides what is wrong.
    const assumptions = part.config === null ? [] : part.assumptions;
    const assumed = assumptions.map(({ path, value, message }) => `  assumed ${path}\n          ${value}: ${message}\n`);
    return [heading, ...problemsText(part), ...assumed, costText(part, report.targets)].join('');
  });
  const settings = report.settings.map(
    (part) => `${part.file}: service settings (${countText(part.problems)})\n${problemsText(part).join('')}`,
  );
  const all = allProblems(report).map(({ problem }) => problem);
  const count = report.models.length;
  return `${models.join('')}${settings.join('')}${count} model${count === 1 ? '' : 's'}: ${countText(all)}\n`;
}

function problemsText(part: Linted): readonly string[] {
  return part.problems.map((problem) => {
    const range = rangeOf(part, problem.path);
    return placedProblemText(problem, range === undefined ? undefined : `${part.file}:${range.line}:${range.column}`);
  });
}

function costText({ cost }: Linted, targets: number): string {
  if (cost === null) return '';
  const { calls, keys, rows } = cost;
  return `  cost    a request of ${targets} targets makes at most ${calls} upstream call${calls === 1 ? '' : 's'}, asks for ${keys} keys and sends ${rows} rows\n`;
}
