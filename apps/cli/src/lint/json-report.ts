import { hasErrors, parseModelConfig } from '@inferflow/config';
import { type Linted, type LintReport, rangeOf } from './lint-report.js';

/** The report as JSON. */
export function jsonReport({ models, settings, targets }: LintReport): string {
  const checked = models.map((part) => {
    // A config that only fails as a whole still has a dialect and a hash.
    const config = part.config ?? parseModelConfig(part.modelConfigId ?? '', part.input?.value).config;
    return {
      file: part.file,
      model_config_id: part.modelConfigId,
      accepted: part.config !== null,
      dialect: config?.dialect ?? null,
      hash: config?.hash ?? null,
      problems: placed(part),
      assumptions: part.assumptions,
      cost: part.cost === null ? null : { targets, ...part.cost },
    };
  });
  const services = settings.map((part) => ({ file: part.file, problems: placed(part) }));
  const accepted = checked.every((model) => model.accepted) && settings.every(({ problems }) => !hasErrors(problems));
  return `${JSON.stringify({ accepted, models: checked, services }, null, 2)}\n`;
}

function placed(part: Linted): readonly object[] {
  return part.problems.map((problem) => ({ ...problem, ...rangeOf(part, problem.path) }));
}
