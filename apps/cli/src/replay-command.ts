import { open, writeFile } from 'node:fs/promises';
import { LoggingError } from '@inferflow/logging';
import { parseScoringLog, ScoringAssembler, type ScoringRequest } from '@inferflow/logging/scoring';
import { ServerStartError } from '@inferflow/server';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError } from './config-input.js';
import { keepInput } from './kept-input.js';
import { positiveInteger } from './positive-integer.js';
import { ReadProgress } from './read-progress.js';
import { openCandidate } from './replay/candidate.js';
import { ModelComparison } from './replay/model-comparison.js';
import { createReplayEngine, type ReplayEngine } from './replay/replay-engine.js';
import { createReport, type ReplayLimits, type ReplayReport, type ReplayTotals } from './replay/replay-report.js';
import { reportHtml } from './replay/report-html.js';
import { reportText } from './replay/report-text.js';
import { readScoringRecords } from './replay/scoring-source.js';
import { tellingText } from './telling-error.js';
import { refuseTopicFlags, type TopicFlags, topicOptions, withTopicFlags } from './topic-options.js';

interface ReplayOptions extends TopicFlags {
  readonly config: string;
  readonly models: 'logged' | 'live';
  readonly expressions?: string;
  readonly model?: string;
  readonly score?: string;
  readonly top: number;
  readonly tolerance: number;
  readonly limit?: number;
  readonly parallel?: number;
  readonly deadline: number;
  readonly html?: string;
  readonly json?: string;
  readonly maxChanged: number;
  readonly maxDelta?: number;
  readonly minTau?: number;
  readonly minOverlap?: number;
  readonly maxDefaulted: number;
  readonly maxUnknown: number;
}

/**
 * `inferflow replay <log> --config <candidate>`: logged requests run again, compared with what was answered. Exit status 0: within the
 * limits; 1: not, or part of the log could not be used; 2: nothing could be tried.
 */
export function createReplayCommand(io: CommandIo = processIo): Command {
  const command = new Command('replay')
    .description('run logged requests (ScoringLog) against a candidate configuration and compare the answers: exit status 1 if they differ')
    .argument('<log>', 'a file or directory of scoring logs, - for stdin; with --brokers a topic')
    .requiredOption('-c, --config <path>', 'the candidate: a model file, or a directory of them')
    .addOption(
      new Option('--models <from>', 'outputs of models: from the log, or asked again').choices(['logged', 'live']).default('logged'),
    )
    .option('--expressions <file>', 'expressions of the candidate by compute id (INFERFLOW_EXPRESSIONS)')
    .option('-m, --model <id>', 'only requests of this model')
    .option('--score <column>', 'score to rank by (default: the last one of the answer)')
    .option('--top <count>', 'how many of the best are compared', positiveInteger, 10)
    .option('--tolerance <delta>', 'differences up to this are none (relative above 1)', notNegative, 1e-6)
    .option('--limit <requests>', 'stop after this many requests', positiveInteger)
    .option('--parallel <count>', 'requests at the same time (default: 1; 8 with --models live)', positiveInteger)
    .option('--deadline <ms>', 'longest time of a request', positiveInteger, 60_000)
    .option('--html <file>', 'report as a page')
    .option('--json <file>', 'report as JSON, - for standard output')
    .option('--max-changed <percent>', 'most rows with another score', notNegative, 0)
    .option('--max-delta <delta>', 'largest change of a score', notNegative)
    .option('--min-tau <tau>', 'least mean of Kendall’s τ', toTau)
    .option('--min-overlap <share>', 'least mean share of the best in common (0–1)', toShare)
    .option('--max-defaulted <percent>', 'most rows of a column that newly have a default or no value', notNegative, 0)
    .option('--max-unknown <percent>', 'most rows whose scores the log cannot tell', notNegative, 0);
  return withTopicFlags(command)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (log: string, options: ReplayOptions) => {
      try {
        await replay(log, options, io);
      } catch (error) {
        const text = error instanceof ServerStartError ? error.problems.join('\n') : tellingText(error, log);
        if (text === undefined) throw error;
        io.error(`inferflow replay: ${text}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

async function replay(log: string, options: ReplayOptions, io: CommandIo): Promise<void> {
  const stop = new AbortController();
  const source = options.brokers === undefined ? log : topicOptions(log, options, undefined, process.env);
  if (options.brokers === undefined) {
    refuseTopicFlags(options);
    if (log !== '-') await keepInput(log, [options.html, options.json]);
  }
  for (const path of [options.html, options.json]) await checkWritable(path);
  const candidate = await openCandidate({ ...options, variables: process.env }, io);
  try {
    const engine = await createReplayEngine({
      ...candidate,
      outputs: options.models,
      deadlineMs: options.deadline,
    });
    try {
      refuseBadModels(engine, options.model);
      const run = new ReplayRun(engine, options);
      const progress = new ReadProgress(io);
      const onRead = (done: number, total: number): void => {
        if (stop.signal.aborted) throw enough;
        progress.show(done, options.follow === true ? 0 : total, run.totals.rows);
      };
      // Somebody who has waited long enough gets the report on what has been read.
      const interrupted = (): void => stop.abort();
      process.once('SIGINT', interrupted);
      const watch = { onRead, signal: stop.signal };
      await readScoringRecords(source, (bytes, place) => run.record(bytes, place, io), watch).catch((error: unknown) => {
        if (error !== enough) throw error;
      });
      process.off('SIGINT', interrupted);
      const report = await run.end(log, options);
      progress.end();
      await write(report, options, io);
    } finally {
      await engine.close();
    }
  } finally {
    await candidate.close();
  }
}

/** A report that cannot be written is told before the work, not after it. */
async function checkWritable(path: string | undefined): Promise<void> {
  if (path === undefined || path === '-') return;
  try {
    await (await open(path, 'a')).close();
  } catch (cause) {
    throw new InputError(`${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** Thrown to stop reading. */
const enough = new Error('enough');

function refuseBadModels({ engine }: ReplayEngine, model: string | undefined): void {
  const problems: string[] = [];
  for (const [modelConfigId, entry] of engine.snapshot.models) {
    if (entry.config !== null && entry.state === 'live') continue;
    for (const { path, message } of entry.problems.filter(({ severity }) => severity === 'error'))
      problems.push(`${modelConfigId}: ${path}: ${message}`);
  }
  if (problems.length > 0) throw new InputError(`the candidate is refused:\n${problems.join('\n')}`);
  if (model !== undefined && !engine.snapshot.models.has(model)) throw new InputError(`the candidate has no model "${model}"`);
}

/** Requests of one log on their way through the engine, some at the same time. */
class ReplayRun {
  readonly totals: ReplayTotals = { records: 0, unreadable: 0, incomplete: 0, requests: 0, rows: 0, failed: 0, otherModels: 0, seconds: 0 };
  readonly #engine: ReplayEngine;
  readonly #options: ReplayOptions;
  readonly #assembler = new ScoringAssembler();
  readonly #comparisons = new Map<string, ModelComparison>();
  readonly #running = new Set<Promise<void>>();
  readonly #started = performance.now();
  readonly #parallel: number;

  constructor(engine: ReplayEngine, options: ReplayOptions) {
    this.#engine = engine;
    this.#options = options;
    this.#parallel = Math.max(1, options.parallel ?? (options.models === 'live' ? 8 : 1));
  }

  async record(bytes: Uint8Array | null, place: string, io: CommandIo): Promise<void> {
    this.totals.records++;
    try {
      if (bytes === null) throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'neither a record nor base64 of one');
      const request = this.#assembler.add(await parseScoringLog(bytes), bytes.length);
      if (request !== null) await this.#request(request);
    } catch (error) {
      if (!(error instanceof LoggingError)) throw error;
      this.totals.unreadable++;
      io.error(`${place}: ${error.message}\n`);
    }
    if (this.#options.limit !== undefined && this.totals.requests >= this.#options.limit) throw enough;
  }

  async end(log: string, options: ReplayOptions): Promise<ReplayReport> {
    await Promise.all(this.#running);
    if (options.limit === undefined) this.#assembler.end();
    this.totals.incomplete = this.#assembler.incomplete;
    this.totals.seconds = (performance.now() - this.#started) / 1000;
    if (this.totals.requests + this.totals.failed === 0)
      throw new InputError(
        `${log} holds no request that could be replayed (${this.totals.records} records, ${this.totals.otherModels} of other models)`,
      );
    const known = [...this.#comparisons.values()].flatMap(({ rankColumn, scores }) => [rankColumn, ...scores.values()]);
    if (options.score !== undefined && !known.includes(options.score)) {
      const columns = known.flatMap((each) => (typeof each === 'object' && each.scope === 'target' ? [each.column] : []));
      throw new InputError(`--score ${options.score}: no answer of the log has it; there are ${[...new Set(columns)].join(', ')}`);
    }
    const { snapshot } = this.#engine.engine;
    const hashes = new Map([...snapshot.models].map(([id, { config }]) => [id, config?.hash ?? '']));
    const facts = { log, candidate: options.config, models_from: options.models, tolerance: options.tolerance, totals: this.totals };
    const comparisons = [...this.#comparisons.values()].sort((left, right) => left.modelConfigId.localeCompare(right.modelConfigId));
    return createReport(facts, comparisons, hashes, options.top, limitsOf(options));
  }

  async #request(request: ScoringRequest): Promise<void> {
    const { modelConfigId } = request.head;
    if (this.#options.model !== undefined && modelConfigId !== this.#options.model) return;
    if (!this.#engine.engine.snapshot.models.has(modelConfigId)) {
      this.totals.otherModels++;
      return;
    }
    let comparison = this.#comparisons.get(modelConfigId);
    if (comparison === undefined) {
      const { tolerance, top, score } = this.#options;
      comparison = new ModelComparison(modelConfigId, { tolerance, top, ...(score !== undefined && { score }) });
      this.#comparisons.set(modelConfigId, comparison);
    }
    const target = comparison;
    const running = this.#engine.run(request, (outcome) => {
      if ('failure' in outcome) {
        this.totals.failed++;
        target.failed(outcome.failure);
        return;
      }
      this.totals.requests++;
      this.totals.rows += request.head.rowCount;
      target.add(outcome.entry);
    });
    const tracked = running.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    if (this.#running.size >= this.#parallel) await Promise.race(this.#running);
  }
}

function limitsOf(options: ReplayOptions): ReplayLimits {
  const { maxDelta, minTau, minOverlap } = options;
  return {
    maxChangedPercent: options.maxChanged,
    maxDefaultedPercent: options.maxDefaulted,
    maxUnknownPercent: options.maxUnknown,
    ...(maxDelta !== undefined && { maxDelta }),
    ...(minTau !== undefined && { minTau }),
    ...(minOverlap !== undefined && { minOverlap }),
  };
}

async function write(report: ReplayReport, options: ReplayOptions, io: CommandIo): Promise<void> {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (options.html !== undefined) await writeFile(options.html, reportHtml(report));
  if (options.json === '-') io.out(json);
  else {
    if (options.json !== undefined) await writeFile(options.json, json);
    io.out(reportText(report));
  }
  io.exitWith(report.ok ? ExitCode.ok : ExitCode.refused);
}

function toTau(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= -1 && value <= 1)) throw new InvalidArgumentError('expected a number from -1 to 1');
  return value;
}

function toShare(text: string): number {
  const value = notNegative(text);
  if (value > 1) throw new InvalidArgumentError('expected a number from 0 to 1');
  return value;
}

function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) throw new InvalidArgumentError('expected a number, 0 or more');
  return value;
}
