import { problemText } from '../problem-text.js';
import type { GoDifference } from './go-differences.js';
import type { Imported, ImportedModel } from './import-deployment.js';

/** What came of an import, for people. */
export function importReportText({ from, models, service, notes }: Imported): string {
  const taken = models.filter(({ config }) => config !== null);
  const lines = [`${from}: ${taken.length} of ${models.length} model${models.length === 1 ? '' : 's'} taken\n`];
  for (const model of models.filter(({ config }) => config === null)) {
    lines.push(`\n! ${model.modelConfigId} could not be taken\n`, ...model.problems.map(problemText));
  }
  for (const model of taken) lines.push(`\n+ ${model.modelConfigId}\n`, ...modelLines(model));
  if (service !== null)
    lines.push('\nservice settings\n', ...service.problems.map(problemText), `    ${JSON.stringify(service.document)}\n`);
  if (notes.length > 0) lines.push('\nfor all models\n', ...notes.map((note) => `    ${note}\n`));
  lines.push('\nNumbers are those of docs/migration.md.\n');
  return lines.join('');
}

function modelLines({ problems, assumed, adaptations, differences }: ImportedModel): readonly string[] {
  const kept = differences.filter(({ kind }) => kind === 'kept');
  const moves = differences.filter(({ kind }) => kind === 'moves');
  const section = (heading: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : [`  ${heading}\n`, ...lines.map((line) => `    ${line}\n`)];
  return [
    ...problems.map(problemText),
    ...section(
      'left out, as the Go service never used it',
      adaptations.map(({ id, component, message }) => `${id} ${component}: ${message}`),
    ),
    ...section(
      'not known, and assumed',
      assumed.map(({ path, value, message }) => `${path} = ${value}: ${message}`),
    ),
    ...section('kept alive by compat', kept.map(differenceText)),
    ...section('can move a score even so', moves.map(differenceText)),
  ];
}

const MOST_PLACES = 6;

function differenceText({ id, message, where }: GoDifference): string {
  const places = where.length > MOST_PLACES ? [...where.slice(0, MOST_PLACES), `${where.length - MOST_PLACES} more`] : where;
  return `${id} ${message}${places.length === 0 ? '' : ` (${places.join(', ')})`}`;
}

/** What came of an import, for programs. */
export function importReportJson({ from, models, service, notes, isComplete }: Imported): string {
  const report = {
    from,
    complete: isComplete,
    models: models.map(({ modelConfigId, config, dialect, problems, assumed, adaptations, differences }) => {
      const ofKind = (wanted: GoDifference['kind']) =>
        differences.filter(({ kind }) => kind === wanted).map(({ kind: _, ...difference }) => difference);
      return {
        model_config_id: modelConfigId,
        taken: config !== null,
        dialect,
        hash: config?.hash ?? null,
        problems,
        assumed,
        left_out: adaptations,
        kept_by_compat: ofKind('kept'),
        can_move_scores: ofKind('moves'),
      };
    }),
    service,
    notes,
  };
  return `${JSON.stringify(report, null, 2)}\n`;
}
