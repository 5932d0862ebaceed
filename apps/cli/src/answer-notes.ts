import type { Quality } from '@inferflow/client';

/**
 * What a table of scores does not show: errors of rows in full, components that did not end well, and inputs that nobody had. '' where
 * there is nothing to say.
 */
export function answerNotes(rowErrors: readonly string[], quality: Quality | null): string {
  const counts = new Map<string, number>();
  for (const error of rowErrors) if (error !== '') counts.set(error, (counts.get(error) ?? 0) + 1);
  const components = quality?.components ?? [];
  const lines = [
    ...[...counts].map(([error, count]) => `${rows(count)}: ${error}`),
    ...components.filter(isWorthTelling).map(({ name, status, reason }) => `${name} ${status}${reason === '' ? '' : `: ${reason}`}`),
    ...Object.entries(quality?.inputsDefaulted ?? {}).map(
      ([name, count]) => `${name}: ${count} input${count === 1 ? '' : 's'} without a value, filled with the default of the type`,
    ),
  ];
  return lines.map((line) => `! ${line}\n`).join('');
}

/** What was skipped is so because of something told already, or because a request has no slates. */
function isWorthTelling({ status }: Quality['components'][number]): boolean {
  return status !== 'ok' && status !== 'skipped';
}

function rows(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`;
}
