import {
  type ConfigChange,
  checkModelConfig,
  configGraph,
  graphMermaid,
  graphText,
  type ModelConfig,
  type Problem,
  planChange,
  requestCost,
} from '@inferflow/config';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError, isDirectory, readConfigInputs } from './config-input.js';
import { logSchemaChanges } from './log-schema-changes.js';
import { positiveInteger } from './positive-integer.js';
import { problemText } from './problem-text.js';

/** What happens to one model. */
export interface ModelPlanReport {
  readonly modelConfigId: string;
  readonly action: 'added' | 'removed' | 'changed' | 'unchanged' | 'refused';
  readonly changes: readonly ConfigChange[];
  /** The new version; null if there is none, or it is refused. */
  readonly config: ModelConfig | null;
  /** The old version; null if there is none, or it would be refused now. */
  readonly previous: ModelConfig | null;
  /** Why the new version is refused. */
  readonly problems: readonly Problem[];
}

interface PlanOptions {
  readonly format: 'human' | 'json';
  readonly graph?: 'text' | 'mermaid';
  readonly targets: number;
}

/** `inferflow plan <old> <new>`: what a change does for requests. Exit status 0: nothing breaks; 1: refused or breaking; 2: nothing could be read. */
export function createPlanCommand(io: CommandIo = processIo): Command {
  return new Command('plan')
    .description('show what a change of model configurations does for requests: exit status 1 if something breaks')
    .argument('<old>', 'a model file or a directory')
    .argument('<new>', 'a model file or a directory')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['human', 'json']).default('human'))
    .addOption(new Option('-g, --graph <format>', 'draw the new graphs too').choices(['text', 'mermaid']))
    .option('--targets <count>', 'targets of the request whose cost is estimated', positiveInteger, 100)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (oldPath: string, newPath: string, options: PlanOptions) => {
      try {
        const before = await readModels(oldPath, io);
        const after = await readModels(newPath, io);
        // Two files with different names and one model each are two versions of one model; in directories the names are what servers go by.
        const isOneModel =
          before.size === 1 && after.size === 1 && !((await isDirectory(oldPath, false)) && (await isDirectory(newPath, false)));
        const reports = planModels(before, after, isOneModel, io);
        const breaks = reports.some(({ action, changes }) => action === 'refused' || changes.some(({ impact }) => impact === 'breaking'));
        io.out(options.format === 'json' ? jsonReport(reports, options.targets, breaks) : humanReport(reports, before, options.targets));
        if (options.graph !== undefined) {
          const draw = options.graph === 'text' ? graphText : graphMermaid;
          for (const { config, action } of reports) if (config !== null && action !== 'unchanged') io.out(`\n${draw(configGraph(config))}`);
        }
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

function planModels(before: Models, after: Models, isOneModel: boolean, io: CommandIo): readonly ModelPlanReport[] {
  const ids = [...new Set([...(isOneModel ? [] : before.keys()), ...after.keys()])];
  return ids.map((modelConfigId) => {
    const old = isOneModel ? [...before.values()][0] : before.get(modelConfigId);
    const now = after.get(modelConfigId);
    if (now === undefined)
      return {
        modelConfigId,
        action: 'removed',
        changes: [],
        config: null,
        previous: checkedConfig(modelConfigId, old?.value),
        problems: [],
      };
    const { config, problems } = checkModelConfig(modelConfigId, now.value);
    if (config === null) {
      io.error(`${now.file}: ${modelConfigId} is refused\n${problems.map(problemText).join('')}`);
      return { modelConfigId, action: 'refused', changes: [], config: null, previous: checkedConfig(modelConfigId, old?.value), problems };
    }
    const previous = checkedConfig(modelConfigId, old?.value);
    if (previous === null) return { modelConfigId, action: 'added', changes: [], config, previous, problems: [] };
    const changes = [...planChange(previous, config), ...logSchemaChanges(previous, config)];
    return { modelConfigId, action: changes.length === 0 ? 'unchanged' : 'changed', changes, config, previous, problems: [] };
  });
}

function checkedConfig(modelConfigId: string, value: unknown): ModelConfig | null {
  return value === undefined ? null : checkModelConfig(modelConfigId, value).config;
}

const signs = { added: '+', removed: '-', changed: '~', unchanged: '=', refused: '!' } as const;

function humanReport(reports: readonly ModelPlanReport[], before: Models, targets: number): string {
  const lines: string[] = [];
  for (const { modelConfigId, action, changes, config, previous } of reports) {
    lines.push(`${signs[action]} ${modelConfigId}: ${action}`);
    for (const change of changes) {
      const impact = change.impact === 'plain' ? '' : `  [${change.impact}]`;
      lines.push(
        `    ${signs[change.action]} ${change.subject} ${change.name}${change.detail === '' ? '' : `: ${change.detail}`}${impact}`,
      );
    }
    if (config !== null && action !== 'unchanged') lines.push(`    ${costText(previous, config, targets)}`);
  }
  if (reports.length === 0) lines.push(`nothing to compare (${before.size} models before)`);
  const count = (action: ModelPlanReport['action']): number => reports.filter((report) => report.action === action).length;
  lines.push(
    `${count('added')} added, ${count('changed')} changed, ${count('removed')} removed, ${count('refused')} refused, ${count('unchanged')} unchanged`,
  );
  return `${lines.join('\n')}\n`;
}

function costText(before: ModelConfig | null, after: ModelConfig, targets: number): string {
  const now = requestCost(after, targets);
  const old = before === null ? now : requestCost(before, targets);
  const part = (field: 'calls' | 'keys' | 'rows', what: string): string =>
    `${old[field] === now[field] ? '' : `${old[field]} → `}${now[field]} ${what}`;
  return `a request of ${targets} targets makes at most ${part('calls', 'upstream calls')}, asks for ${part('keys', 'keys')} and sends ${part('rows', 'rows')}`;
}

function jsonReport(reports: readonly ModelPlanReport[], targets: number, isBreaking: boolean): string {
  const cost = (config: ModelConfig | null) => (config === null ? null : { targets, ...requestCost(config, targets) });
  const models = reports.map(({ modelConfigId, action, changes, config, previous, problems }) => ({
    model_config_id: modelConfigId,
    action,
    hash: config?.hash ?? null,
    previous_hash: previous?.hash ?? null,
    changes,
    problems,
    cost: { before: cost(previous), after: cost(config) },
  }));
  return `${JSON.stringify({ breaking: isBreaking, models }, null, 2)}\n`;
}
