import { checkModelConfig, convertModel, type Dialect, type JsonObject, type ModelConfig, type Problem } from '@inferflow/config';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, type InputModel, readConfigInput } from './config-input.js';
import { problemText } from './problem-text.js';

/**
 * `inferflow convert --to documented|deployed [file|-]`: a model config, or several keyed by id, in the other spelling on stdout.
 * A config with errors is refused: they go to stderr, nothing to stdout, exit status 1. Exit status 2: the input cannot be read.
 */
export function createConvertCommand(io: CommandIo = processIo): Command {
  return new Command('convert')
    .description('rewrite a model configuration in the documented or the deployed dialect')
    .argument('[file]', 'a model file, or - for stdin', '-')
    .addOption(new Option('-t, --to <dialect>', 'dialect to write').choices(['documented', 'deployed']).makeOptionMandatory())
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (file: string, options: { readonly to: Dialect }) => {
      try {
        const { models, isWrapped } = await readConfigInput(file, io);
        const documents = convertAll(models, options.to, io);
        if (documents === undefined) return io.exitWith(ExitCode.refused);
        const output = isWrapped ? Object.fromEntries(documents) : documents[0]?.[1];
        io.out(`${JSON.stringify(output, null, 2)}\n`);
        io.exitWith(ExitCode.ok);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow convert: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

/** Undefined if one of the models is refused; what is wrong has been written then. */
function convertAll(models: readonly InputModel[], to: Dialect, io: CommandIo): readonly (readonly [string, JsonObject])[] | undefined {
  const configs = models.map((model): readonly [string, ModelConfig | null] => {
    const { config, problems } =
      model.problem === undefined ? checkModelConfig(model.modelConfigId, model.value) : { config: null, problems: [model.problem] };
    report(
      model,
      problems.filter(({ severity }) => severity === 'error'),
      io,
    );
    return [model.modelConfigId, config];
  });
  if (configs.some(([, config]) => config === null)) return undefined;
  return configs.flatMap(([modelConfigId, config], index) => {
    if (config === null) return [];
    const { document, losses } = convertModel(config, to);
    report(models[index], losses, io);
    return [[modelConfigId, document] as const];
  });
}

function report(model: InputModel | undefined, problems: readonly Problem[], io: CommandIo): void {
  if (problems.length > 0) io.error(`${model?.file}: ${model?.modelConfigId}\n${problems.map(problemText).join('')}`);
}
