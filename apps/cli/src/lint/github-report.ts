import { allProblems, type LintReport, rangeOf } from './lint-report.js';

const commands = { error: 'error', warning: 'warning', hint: 'notice' } as const;

/** The report as workflow commands, which GitHub shows beside the lines they are about. */
export function githubReport(report: LintReport): string {
  const lines = allProblems(report).map(({ part, problem }) => {
    const range = rangeOf(part, problem.path);
    const place =
      range === undefined ? [] : [`line=${range.line}`, `col=${range.column}`, `endLine=${range.endLine}`, `endColumn=${range.endColumn}`];
    const properties = [`file=${property(part.file)}`, ...place, `title=${property(problem.code)}`].join(',');
    const model = part.modelConfigId === null ? '' : `${part.modelConfigId}: `;
    return `::${commands[problem.severity]} ${properties}::${data(`${model}${problem.message} (${problem.path})`)}\n`;
  });
  return lines.join('');
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
