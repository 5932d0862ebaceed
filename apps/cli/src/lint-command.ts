import { readFileSync } from 'node:fs';
import {
  checkFeatures,
  checkLocalModels,
  checkModelConfig,
  type FeatureRegistry,
  featureWidths,
  hasErrors,
  type Problem,
  parseFeatureRegistry,
  parseModelConfig,
  requestCost,
} from '@inferflow/config';
import { findModels } from '@inferflow/model-server';
import { readEnvironment } from '@inferflow/server';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { checkServiceSettings, InputError, type InputModel, readConfigInput, readConfigInputs } from './config-input.js';
import { expressionProblems } from './expression-problems.js';
import { githubReport } from './lint/github-report.js';
import { humanReport } from './lint/human-report.js';
import { jsonReport } from './lint/json-report.js';
import { allProblems, isWorse, type Linted, type LintReport, levels } from './lint/lint-report.js';
import { ModelProbe } from './lint/probe-models.js';
import { sarifReport } from './lint/sarif-report.js';
import { TextPositions } from './lint/text-positions.js';
import { positiveInteger } from './positive-integer.js';

const reports: Readonly<Record<string, (report: LintReport) => string>> = {
  human: humanReport,
  json: jsonReport,
  github: githubReport,
  sarif: (report) => sarifReport(report, ownVersion()),
};

interface LintFlags {
  readonly format: string;
  readonly json?: boolean;
  readonly maxLevel: (typeof levels)[number];
  readonly targets: number;
  readonly features?: string;
  readonly models?: string;
  /** True without an endpoint. */
  readonly probe?: string | true;
  readonly probeTimeout: number;
}

/**
 * `inferflow lint <file|dir>`: everything that is wrong with model configs, for people, programs and code reviews.
 * Exit status 0: nothing worse than `--max-level`; 1: something is; 2: nothing could be checked.
 */
export function createLintCommand(io: CommandIo = processIo): Command {
  return new Command('lint')
    .description('check model configurations in either dialect: exit status 1 if one has errors')
    .argument('<path>', 'a model file, a directory of them, a configuration directory, or - for stdin')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(Object.keys(reports)).default('human'))
    .option('--json', 'the same as --format json')
    .addOption(new Option('--max-level <level>', 'the worst that still gives exit status 0').choices(levels).default('warning'))
    .option('--features <file>', 'a feature registry: entities, feature groups and types are held against it')
    .option('--probe [endpoint]', 'ask the model servers of the models, or this one, what their models take')
    .option('--models <dir>', 'the models of endpoint `local` (default: INFERFLOW_MODELS_DIR)')
    .option('--probe-timeout <ms>', 'how long a model server may take to answer', positiveInteger, 2000)
    .option('--targets <count>', 'targets of the request whose cost is estimated', positiveInteger, 100)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (path: string, flags: LintFlags) => {
      try {
        const report = await lint(path, flags, io);
        io.out((reports[flags.json === true ? 'json' : flags.format] ?? humanReport)(report));
        const isRefused = allProblems(report).some(({ problem }) => isWorse(problem.severity, flags.maxLevel));
        io.exitWith(isRefused ? ExitCode.refused : ExitCode.ok);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        io.error(`inferflow lint: ${error.message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

async function lint(path: string, flags: LintFlags, io: CommandIo): Promise<LintReport> {
  const inputs = await readConfigInputs(path, io);
  const registry = flags.features === undefined ? undefined : await readRegistry(flags.features, io);
  const knowledge: Knowledge = { ...flags, registry: registry?.registry, localModels: await localModels(flags), probe: createProbe(flags) };
  try {
    const positions = new Positions();
    const models = await Promise.all(inputs.map((input) => lintModel(input, knowledge, positions)));
    const settings = await checkServiceSettings(path, io);
    return {
      models,
      settings: [
        ...(settings === undefined ? [] : [aside(settings.input, settings.problems, positions)]),
        ...(registry === undefined || registry.problems.length === 0 ? [] : [aside(registry.input, registry.problems, positions)]),
      ],
      targets: flags.targets,
    };
  } finally {
    await knowledge.probe?.close();
  }
}

/** What is known besides the configs. */
interface Knowledge {
  readonly registry: FeatureRegistry | undefined;
  /** Names of the models in `--models`. */
  readonly localModels: readonly string[] | undefined;
  readonly probe: ModelProbe | undefined;
  readonly targets: number;
}

async function lintModel(input: InputModel, knowledge: Knowledge, positions: Positions): Promise<Linted> {
  const { file, modelConfigId } = input;
  const part = { file, modelConfigId, input, positions: positions.of(input), prefix: input.source?.prefix ?? [] };
  if (input.problem !== undefined) return { ...part, config: null, problems: [input.problem], assumptions: [], cost: null };
  const { registry, localModels: known, probe, targets } = knowledge;
  // What is parsed without an error is worth comparing, whatever is wrong with the whole.
  const parsed = parseModelConfig(modelConfigId, input.value).config;
  const widths = registry === undefined || parsed === null ? undefined : featureWidths(parsed, registry);
  const checked = checkModelConfig(modelConfigId, input.value, { isStrict: true, widths });
  const problems = [...checked.problems];
  if (parsed !== null) {
    problems.push(...expressionProblems(parsed));
    if (registry !== undefined) problems.push(...checkFeatures(parsed, registry));
    // A probe knows the local models too, and more of them.
    if (known !== undefined && probe === undefined) problems.push(...checkLocalModels(parsed, known));
    if (probe !== undefined) problems.push(...(await probe.check(parsed)));
  }
  const config = hasErrors(problems) ? null : checked.config;
  const cost = config === null ? null : requestCost(config, targets);
  return { ...part, config, problems, assumptions: checked.assumptions, cost };
}

function aside(input: InputModel, problems: readonly Problem[], positions: Positions): Linted {
  const { file, source } = input;
  return {
    file,
    modelConfigId: null,
    input,
    config: null,
    problems,
    assumptions: [],
    cost: null,
    positions: positions.of(input),
    prefix: source?.prefix ?? [],
  };
}

/** Texts are looked into once, however many models they hold. */
class Positions {
  readonly #byText = new Map<string, TextPositions>();

  of({ source }: InputModel): TextPositions | null {
    if (source === undefined) return null;
    let positions = this.#byText.get(source.text);
    if (positions === undefined) {
      positions = new TextPositions(source.text, source.format);
      this.#byText.set(source.text, positions);
    }
    return positions;
  }
}

async function readRegistry(path: string, io: CommandIo) {
  const [input] = (await readConfigInput(path, io)).models;
  if (input === undefined) throw new InputError(`${path} holds no feature registry`);
  if (input.problem !== undefined) throw new InputError(`${path}: ${input.problem.message}`);
  return { input, ...parseFeatureRegistry(input.value) };
}

async function localModels({ models, probe }: LintFlags): Promise<readonly string[] | undefined> {
  if (models === undefined || probe !== undefined) return undefined;
  try {
    return (await findModels(models)).map(({ name }) => name);
  } catch (cause) {
    throw new InputError((cause as Error).message, { cause });
  }
}

function createProbe({ probe, models, probeTimeout }: LintFlags): ModelProbe | undefined {
  if (probe === undefined) return undefined;
  try {
    const environment = readEnvironment(process.env);
    return new ModelProbe({
      endpoint: probe === true ? undefined : probe,
      defaultPort: environment.number('EXTERNAL_SERVICE_PREDATOR_PORT'),
      isPlaintext: environment.boolean('EXTERNAL_SERVICE_PREDATOR_GRPC_PLAIN_TEXT'),
      headers: [
        ['predator-caller-id', environment.text('EXTERNAL_SERVICE_PREDATOR_CALLER_ID') ?? ''],
        ['predator-auth-token', environment.text('EXTERNAL_SERVICE_PREDATOR_CALLER_TOKEN') ?? ''],
      ],
      modelsDirectory: models ?? environment.text('INFERFLOW_MODELS_DIR'),
      timeoutMs: probeTimeout,
    });
  } catch (cause) {
    throw new InputError(`the environment says how model servers are reached, and cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return manifest.version;
}
