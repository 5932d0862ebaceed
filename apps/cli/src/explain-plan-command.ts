import { checkModelConfig, hasErrors } from '@inferflow/config';
import { explainModel } from '@inferflow/server';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, readWantedModels } from './config-input.js';
import { problemText } from './problem-text.js';

type Plan = Awaited<ReturnType<typeof explainModel>>;

interface Options {
  readonly model?: string;
  readonly plugins?: string;
  readonly format: 'human' | 'json';
}

/**
 * `inferflow explain-plan <file|dir>`: per read of every component how its bytes get there, and why it is not a copy. Exit status 1 when a
 * model is refused, 2 when nothing could be read.
 */
export function createExplainPlanCommand(io: CommandIo = processIo): Command {
  return new Command('explain-plan')
    .description('say how every input of a model is assembled: copy, gather, convert or text, and why it is not a copy')
    .argument('<model>', 'a model file, a directory of them, or - for stdin')
    .option('-m, --model <id>', 'only this model')
    .option('--plugins <modules>', 'comma list of plugin modules (INFERFLOW_PLUGINS)')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['human', 'json']).default('human'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (path: string, options: Options) => {
      try {
        const plans = await explainAll(path, options, io);
        io.out(options.format === 'json' ? `${JSON.stringify(plans, null, 2)}\n` : plans.map(planText).join('\n'));
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow explain-plan: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

async function explainAll(path: string, options: Options, io: CommandIo): Promise<readonly Plan[]> {
  const models = await readWantedModels(path, options.model, io);
  const plugins = (options.plugins ?? '').split(',').filter((name) => name !== '');
  const plans: Plan[] = [];
  for (const { modelConfigId, value, problem } of models) {
    const problems = problem === undefined ? checkModelConfig(modelConfigId, value).problems : [problem];
    let refusal = hasErrors(problems) ? problems.map(problemText).join('') : '';
    if (refusal === '') {
      try {
        plans.push(await explainModel(modelConfigId, value, plugins));
      } catch (error) {
        refusal = `${error instanceof Error ? error.message : 'it cannot be compiled'}\n`;
      }
    }
    if (refusal === '') continue;
    io.error(`${modelConfigId} is refused\n${refusal}`);
    io.exitWith(ExitCode.refused);
  }
  return plans;
}

const whileLengthsAreOpen =
  'until an answer has told how long the vectors are, and for good where lengths differ or a row has more than 16 KiB of them';

function planText(plan: Plan): string {
  const levels = plan.levels.map((level, at) => `  ${at + 1}. ${level.join(', ')}\n`).join('');
  const blocks = plan.blocks
    .map(({ writer, matrix, strideBytes, columns }) => {
      const first = columns
        .slice(0, 3)
        .map(({ name, dataType, widthBytes }) => `${name} (${dataType}${widthBytes === 0 ? ', any length' : ''})`);
      const more = columns.length > first.length ? `, … ${columns.length - first.length} more` : '';
      return `  ${writer}: ${countColumns(columns.length)}, ${strideBytes} bytes a row${matrix === 'slate' ? ', per slate' : ''}: ${first.join(', ')}${more}\n`;
    })
    .join('');
  const edges = plan.edges
    .map(({ componentName, read, how, why, atFirst, columns }) => {
      const what = `  ${componentName}.${read} (${countColumns(columns.length)}): ${how}\n`;
      const because = why === '' ? '' : `      because: ${why}\n`;
      return what + because + (atFirst === '' ? '' : `      ${whileLengthsAreOpen}: ${atFirst}\n`);
    })
    .join('');
  return `${plan.modelConfigId} (${plan.configHash.slice(0, 12)})\ncomponents by level\n${levels}blocks, one per writer\n${blocks}reads\n${edges}`;
}

function countColumns(count: number): string {
  return `${count} ${count === 1 ? 'column' : 'columns'}`;
}
