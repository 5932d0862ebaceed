import { checkModelConfig, hasErrors, type ParseResult, parseModelConfig } from '@inferflow/config';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, type InputModel, readConfigInputs } from './config-input.js';
import { countText, problemText } from './problem-text.js';

/** One model's result, in the words of `--format json`. */
interface Checked extends InputModel {
  readonly result: ParseResult;
}

/**
 * `inferflow lint <file|dir>`: everything that is wrong with model configs, for people or as JSON.
 * Exit status 0: no errors; 1: errors; 2: nothing could be checked.
 */
export function createLintCommand(io: CommandIo = processIo): Command {
  return new Command('lint')
    .description('check model configurations in either dialect: exit status 1 if one has errors')
    .argument('<path>', 'a model file, a directory of them, a configuration directory, or - for stdin')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['human', 'json']).default('human'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (path: string, options: { readonly format: 'human' | 'json' }) => {
      try {
        const checked = (await readConfigInputs(path, io)).map(check);
        io.out(options.format === 'json' ? jsonReport(checked) : humanReport(checked));
        io.exitWith(checked.some(({ result }) => hasErrors(result.problems)) ? ExitCode.refused : ExitCode.ok);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow lint: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

function check(model: InputModel): Checked {
  if (model.problem !== undefined) return { ...model, result: { config: null, problems: [model.problem], assumptions: [] } };
  return { ...model, result: checkModelConfig(model.modelConfigId, model.value) };
}

function humanReport(checked: readonly Checked[]): string {
  const models = checked.map(({ file, modelConfigId, result }) => {
    const heading = `${file}: ${modelConfigId} ${result.config === null ? 'is refused' : 'is accepted'} (${countText(result.problems)})\n`;
    const assumed = result.assumptions.map(({ path, value, message }) => `  assumed ${path}\n          ${value}: ${message}\n`);
    return [heading, ...result.problems.map(problemText), ...assumed].join('');
  });
  const all = checked.flatMap(({ result }) => result.problems);
  return `${models.join('')}${checked.length} model${checked.length === 1 ? '' : 's'}: ${countText(all)}\n`;
}

function jsonReport(checked: readonly Checked[]): string {
  const models = checked.map(({ file, modelConfigId, value, result }) => {
    // A config that only fails as a whole still has a dialect and a hash.
    const config = result.config ?? parseModelConfig(modelConfigId, value).config;
    return {
      file,
      model_config_id: modelConfigId,
      accepted: result.config !== null,
      dialect: config?.dialect ?? null,
      hash: config?.hash ?? null,
      problems: result.problems,
      assumptions: result.assumptions,
    };
  });
  return `${JSON.stringify({ accepted: models.every(({ accepted }) => accepted), models }, null, 2)}\n`;
}
