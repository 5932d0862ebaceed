import { checkModelConfig, hasErrors, type ParseResult, type Problem, parseModelConfig } from '@inferflow/config';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, type InputModel, readConfigInputs, readServiceProblems } from './config-input.js';
import { expressionProblems } from './expression-problems.js';
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
        const services = await readServiceProblems(path, io);
        io.out(options.format === 'json' ? jsonReport(checked, services) : humanReport(checked, services));
        const all = [...checked.map(({ result }) => result.problems), ...services.values()];
        io.exitWith(all.some(hasErrors) ? ExitCode.refused : ExitCode.ok);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow lint: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

function check(model: InputModel): Checked {
  if (model.problem !== undefined) return { ...model, result: { config: null, problems: [model.problem], assumptions: [] } };
  const result = checkModelConfig(model.modelConfigId, model.value);
  const found = result.config === null ? [] : expressionProblems(result.config);
  return { ...model, result: found.length === 0 ? result : { ...result, config: null, problems: [...result.problems, ...found] } };
}

/** Problems of service settings, by file. */
type ServiceProblems = ReadonlyMap<string, readonly Problem[]>;

function humanReport(checked: readonly Checked[], services: ServiceProblems): string {
  const models = checked.map(({ file, modelConfigId, result }) => {
    const heading = `${file}: ${modelConfigId} ${result.config === null ? 'is refused' : 'is accepted'} (${countText(result.problems)})\n`;
    // What is assumed matters once the model is accepted; until then it only hides what is wrong.
    const assumptions = result.config === null ? [] : result.assumptions;
    const assumed = assumptions.map(({ path, value, message }) => `  assumed ${path}\n          ${value}: ${message}\n`);
    return [heading, ...result.problems.map(problemText), ...assumed].join('');
  });
  const settings = [...services].map(
    ([file, problems]) => `${file}: service settings (${countText(problems)})\n${problems.map(problemText).join('')}`,
  );
  const all = [...checked.map(({ result }) => result.problems), ...services.values()].flat();
  return `${models.join('')}${settings.join('')}${checked.length} model${checked.length === 1 ? '' : 's'}: ${countText(all)}\n`;
}

function jsonReport(checked: readonly Checked[], services: ServiceProblems): string {
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
  const settings = [...services].map(([file, problems]) => ({ file, problems }));
  const accepted = models.every((model) => model.accepted) && settings.every(({ problems }) => !hasErrors(problems));
  return `${JSON.stringify({ accepted, models, services: settings }, null, 2)}\n`;
}
