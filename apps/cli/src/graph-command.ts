import { type ConfigGraph, checkModelConfig, configGraph, graphMermaid, graphSvg, graphText } from '@inferflow/config';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, readWantedModels } from './config-input.js';
import { problemText } from './problem-text.js';

const drawings: Readonly<Record<string, (graph: ConfigGraph) => string>> = { text: graphText, mermaid: graphMermaid, svg: graphSvg };

/** `inferflow graph <file|dir>`: components by level, columns on the edges. Exit status 1 when a model is refused, 2 when nothing could be read. */
export function createGraphCommand(io: CommandIo = processIo): Command {
  return new Command('graph')
    .description('draw the graph of a model: components by level, columns on the edges')
    .argument('<path>', 'a model file, a directory of them, or - for stdin')
    .option('-m, --model <id>', 'only this model')
    .addOption(new Option('-f, --format <format>', 'how to draw').choices(Object.keys(drawings)).default('text'))
    .action(async (path: string, options: { readonly model?: string; readonly format: string }) => {
      try {
        const models = await readWantedModels(path, options.model, io);
        if (options.format === 'svg' && models.length > 1)
          throw new InputError(`an SVG holds one graph, ${path} has ${models.length} models: choose with --model`);
        for (const { modelConfigId, value, problem } of models) {
          const { config, problems } =
            problem === undefined ? checkModelConfig(modelConfigId, value) : { config: null, problems: [problem] };
          if (config === null) {
            io.error(`${modelConfigId} is refused\n${problems.map(problemText).join('')}`);
            io.exitWith(ExitCode.refused);
            continue;
          }
          io.out(drawings[options.format]!(configGraph(config)));
        }
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow graph: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}
