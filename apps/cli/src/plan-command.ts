import {
  type ConfigChange,
  checkModelConfig,
  configGraph,
  graphMermaid,
  graphText,
  type ModelConfig,
  planChange,
  requestCost,
} from '@inferflow/config';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, readConfigInputs } from './config-input.js';
import { logSchemaChanges } from './log-schema-changes.js';
import { problemText } from './problem-text.js';

/** What happens to one model. */
export interface ModelPlanReport {
  readonly modelConfigId: string;
  readonly action: 'added' | 'removed' | 'changed' | 'unchanged' | 'refused';
  readonly changes: readonly ConfigChange[];
  readonly config: ModelConfig | null;
}

interface PlanOptions {
  readonly format: 'human' | 'json';
  readonly graph?: 'text' | 'mermaid';
  readonly rows: string;
}

/** `inferflow plan <old> <new>`: what a change does for requests. Exit status 0: nothing breaks; 1: refused or breaking; 2: nothing could be read. */
export function createPlanCommand(io: CommandIo = processIo): Command {
  return new Command('plan')
    .description('show what a change of model configurations does for requests: exit status 1 if something breaks')
    .argument('<old>', 'a model file or a directory')
    .argument('<new>', 'a model file or a directory')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['human', 'json']).default('human'))
    .addOption(new Option('-g, --graph <format>', 'draw the new graphs too').choices(['text', 'mermaid']))
    .option('--rows <count>', 'rows of a request, for the cost', '100')
    .action(async (oldPath: string, newPath: string, options: PlanOptions) => {
      try {
        const before = await readModels(oldPath, io);
        const after = await readModels(newPath, io);
        const reports = planModels(before, after, io);
        io.out(options.format === 'json' ? jsonReport(reports) : humanReport(reports, before, Number(options.rows)));
        if (options.graph !== undefined) {
          const draw = options.graph === 'text' ? graphText : graphMermaid;
          for (const { config, action } of reports) if (config !== null && action !== 'unchanged') io.out(`\n${draw(configGraph(config))}`);
        }
        const breaks = reports.some(({ action, changes }) => action === 'refused' || changes.some(({ impact }) => impact === 'breaking'));
        io.exitWith(breaks ? ExitCode.refused : ExitCode.ok);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow plan: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

type Models = ReadonlyMap<string, { readonly value: unknown; readonly file: string }>;

async function readModels(path: string, io: CommandIo): Promise<Models> {
  const inputs = await readConfigInputs(path, io);
  const broken = inputs.find(({ problem }) => problem !== undefined);
  if (broken !== undefined) throw new InputError(`${broken.file}: ${broken.problem!.message}`);
  return new Map(inputs.map(({ modelConfigId, value, file }) => [modelConfigId, { value, file }]));
}

function planModels(before: Models, after: Models, io: CommandIo): readonly ModelPlanReport[] {
  // Two files with different names and one model each are two versions of one model.
  const single = before.size === 1 && after.size === 1;
  const ids = [...new Set([...(single ? [] : before.keys()), ...after.keys()])];
  return ids.map((modelConfigId) => {
    const old = single ? [...before.values()][0] : before.get(modelConfigId);
    const now = after.get(modelConfigId);
    if (now === undefined) return { modelConfigId, action: 'removed', changes: [], config: null };
    const { config, problems } = checkModelConfig(modelConfigId, now.value);
    if (config === null) {
      io.error(`${now.file}: ${modelConfigId} is refused\n${problems.map(problemText).join('')}`);
      return { modelConfigId, action: 'refused', changes: [], config: null };
    }
    const previous = old === undefined ? null : checkModelConfig(modelConfigId, old.value).config;
    if (previous === null) return { modelConfigId, action: 'added', changes: [], config };
    const changes = [...planChange(previous, config), ...logSchemaChanges(previous, config)];
    return { modelConfigId, action: changes.length === 0 ? 'unchanged' : 'changed', changes, config };
  });
}

const signs = { added: '+', removed: '-', changed: '~', unchanged: '=', refused: '!' } as const;

function humanReport(reports: readonly ModelPlanReport[], before: Models, rows: number): string {
  const lines: string[] = [];
  for (const { modelConfigId, action, changes, config } of reports) {
    lines.push(`${signs[action]} ${modelConfigId}: ${action}`);
    for (const change of changes) {
      const impact = change.impact === 'plain' ? '' : `  [${change.impact}]`;
      lines.push(
        `    ${signs[change.action]} ${change.subject} ${change.name}${change.detail === '' ? '' : `: ${change.detail}`}${impact}`,
      );
    }
    if (config !== null && action !== 'unchanged') lines.push(`    ${costText(config, rows)}`);
  }
  if (reports.length === 0) lines.push(`nothing to compare (${before.size} models before)`);
  const count = (action: ModelPlanReport['action']): number => reports.filter((report) => report.action === action).length;
  lines.push(
    `${count('added')} added, ${count('changed')} changed, ${count('removed')} removed, ${count('refused')} refused, ${count('unchanged')} unchanged`,
  );
  return `${lines.join('\n')}\n`;
}

function costText(config: ModelConfig, rows: number): string {
  const { calls, keys } = requestCost(config, rows, 50);
  return `a request of ${rows} rows: at most ${calls} upstream calls and ${keys} keys, with the feature store's default batch of 50`;
}

function jsonReport(reports: readonly ModelPlanReport[]): string {
  const models = reports.map(({ modelConfigId, action, changes, config }) => ({
    model_config_id: modelConfigId,
    action,
    hash: config?.hash ?? null,
    changes,
  }));
  return `${JSON.stringify({ models }, null, 2)}\n`;
}
