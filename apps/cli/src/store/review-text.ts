import { countText, problemText } from '../problem-text.js';
import { changeText, type ReviewedModel, type ReviewedSettings } from './review-changes.js';

const signs = { added: '+', removed: '-', changed: '~', respelled: '~', unchanged: '=', refused: '!' } as const;
const words = {
  refused: 'is refused',
  added: 'is new',
  changed: 'changes',
  respelled: 'is the same for requests, in other words',
  unchanged: 'is in etcd already',
} as const;

/** A review for people. */
export function reviewText(models: readonly ReviewedModel[], settings: ReviewedSettings | null): string {
  const texts = models.map(({ modelConfigId, action, problems, newProblems, changes, notes }) => {
    const shown = action === 'refused' ? problems : newProblems.filter(({ severity }) => severity !== 'hint');
    const counted = problems.length === 0 ? '' : ` (${countText(problems)})`;
    const lines = changes.map((change) => {
      const impact = change.impact === 'plain' ? '' : `  [${change.impact}]`;
      return `    ${signs[change.action]} ${changeText(change)}${impact}\n`;
    });
    return [
      `${signs[action]} ${modelConfigId} ${words[action]}${counted}\n`,
      ...(action === 'unchanged' ? [] : shown.map(problemText)),
      ...lines,
      ...notes.map((note) => `    note: ${note}\n`),
    ].join('');
  });
  const ofSettings =
    settings === null
      ? ''
      : `~ service settings\n${settings.problems.map(problemText).join('')}${settings.changes.map((change) => `    ~ ${change}\n`).join('')}`;
  return `${texts.join('')}${ofSettings}`;
}

/** A review for programs. */
export function reviewJson(models: readonly ReviewedModel[], settings: ReviewedSettings | null) {
  return {
    models: models.map(({ modelConfigId, file, action, config, problems, changes, notes }) => ({
      model_config_id: modelConfigId,
      file,
      action,
      hash: config?.hash ?? null,
      problems,
      changes,
      notes,
    })),
    ...(settings !== null && { service: { file: settings.file, changes: settings.changes, problems: settings.problems } }),
  };
}
