import { isAbsolute } from 'node:path';
import { pathToFileURL } from 'node:url';
import { problemTable, type Severity } from '@inferflow/config';
import { allProblems, type LintReport, rangeOf } from './lint-report.js';

const sarifLevels = { error: 'error', warning: 'warning', hint: 'note' } as const satisfies Record<Severity, string>;
const rules = Object.entries(problemTable);
const ruleIndex = new Map(rules.map(([code], index) => [code, index]));

/** The report as SARIF 2.1.0, the format that code scanning services take in. */
export function sarifReport(report: LintReport, version: string): string {
  const results = allProblems(report).map(({ part, problem }) => {
    const range = rangeOf(part, problem.path);
    const index = ruleIndex.get(problem.code);
    return {
      ruleId: problem.code,
      ...(index !== undefined && { ruleIndex: index }),
      level: sarifLevels[problem.severity],
      message: { text: problem.message },
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: uriOf(part.file) },
            ...(range !== undefined && {
              region: { startLine: range.line, startColumn: range.column, endLine: range.endLine, endColumn: range.endColumn },
            }),
          },
          logicalLocations: [{ fullyQualifiedName: problem.path }],
        },
      ],
      partialFingerprints: { 'inferflow/v1': `${part.modelConfigId ?? ''} ${problem.code} ${problem.path}` },
      properties: {
        ...(part.modelConfigId !== null && { modelConfigId: part.modelConfigId }),
        ...(problem.found !== undefined && { found: problem.found }),
        ...(problem.expected !== undefined && { expected: problem.expected }),
        ...(problem.suggestion !== undefined && { suggestion: problem.suggestion }),
      },
    };
  });
  const driver = {
    name: 'inferflow lint',
    semanticVersion: version,
    rules: rules.map(([id, { severity, meaning, remedy }]) => ({
      id,
      shortDescription: { text: meaning },
      help: { text: remedy },
      defaultConfiguration: { level: sarifLevels[severity] },
    })),
  };
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, columnKind: 'utf16CodeUnits', results }],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function uriOf(file: string): string {
  if (isAbsolute(file)) return pathToFileURL(file).href;
  return file.split(/[\\/]/).map(encodeURIComponent).join('/');
}
