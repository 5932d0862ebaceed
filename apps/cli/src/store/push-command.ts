import { type Dialect, hasErrors } from '@inferflow/config';
import { createModelStore, type ModelStore, type ModelWrite, type StoredModels, storedModels } from '@inferflow/config-etcd';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from '../command-io.js';
import { InputError, type InputModel, readConfigInputs, readServiceSettings } from '../config-input.js';
import { authorOf } from './author.js';
import { type ConnectionFlags, connectionOptions, type Variables, withConnectionFlags } from './connection-options.js';
import { reportFailures } from './report-failure.js';
import { FORCEABLE, type ReviewedModel, type ReviewedSettings, reviewModel, reviewSettings, summaryOf } from './review-changes.js';
import { reviewJson, reviewText } from './review-text.js';

/** Flags that writing commands share. */
export interface WriteFlags extends ConnectionFlags {
  readonly author?: string;
  readonly message?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly format: 'human' | 'json';
}

interface PushFlags extends WriteFlags {
  readonly id?: string;
  readonly to?: Dialect;
  readonly allowBreaking?: boolean;
  readonly force?: boolean;
}

/** Where a command's surroundings come from; tests give their own. */
export interface StoreCommandSurroundings {
  readonly io: CommandIo;
  readonly variables: Variables;
  readonly createStore: typeof createModelStore;
}

/** Those of the process. */
export function processSurroundings(): StoreCommandSurroundings {
  return { io: processIo, variables: process.env, createStore: createModelStore };
}

/** Adds the flags that writing commands share. */
export function withWriteFlags(command: Command): Command {
  return withConnectionFlags(command)
    .option('-m, --message <text>', 'why, for the history')
    .option('--author <name>', 'who, for the history; else git, else the user of this machine')
    .option('-y, --yes', 'do not ask; needed where nobody can be asked')
    .option('--dry-run', 'say what would be written, and write nothing')
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['human', 'json']).default('human'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage));
}

/**
 * `inferflow push <file|dir|->`: checks models, says what they change, asks, and writes them to etcd, all or nothing, provided that nobody
 * else wrote them meanwhile. Exit status 0: written, or nothing to write; 1: refused; 2: usage; 3: somebody else was first; 4: etcd.
 */
export function createPushCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io, variables } = surroundings;
  return withWriteFlags(new Command('push').description('check models, say what they change, and write them to etcd'))
    .argument('<path>', 'a model file, a directory of them, a configuration directory, or - for stdin')
    .option('--id <id>', 'id of the model, where the path holds one (default: the name of its file; standard input has none)')
    .addOption(new Option('--to <dialect>', 'dialect to write (default: documented)').choices(['documented', 'deployed']))
    .option('--force', 'write also what only lint refuses; what servers would refuse is never written')
    .option('--allow-breaking', 'write also what breaks readers of answers or logs')
    .action((path: string, flags: PushFlags) =>
      reportFailures('push', io, async () => {
        const options = connectionOptions(flags, variables);
        const inputs = named(await readConfigInputs(path, io), flags.id);
        if (path === '-' && flags.id === undefined && inputs.some(({ source }) => source?.prefix.length === 0))
          throw new InputError('standard input does not say what the model is called: give --id');
        const service = await readServiceSettings(path, io);
        const review = { to: flags.to, isForced: flags.force === true };
        const refused = inputs.map((input) => reviewModel(input, nothingStored, review)).filter(({ action }) => action === 'refused');
        const store = surroundings.createStore(options);
        // What servers would refuse is said without asking etcd.
        const stored = refused.length > 0 ? nothingStored : await store.read();
        const models = refused.length > 0 ? refused : inputs.map((input) => reviewModel(input, stored, review));
        const settings = service === undefined ? null : reviewSettings(service, stored, review.isForced);
        const push = new Push(surroundings, store, stored, flags);
        return push.run(models, settings, `${options.appName} at ${options.endpoints.join(', ')}`);
      }),
    );
}

const nothingStored = storedModels('', { entries: [], revision: 0 });

function named(inputs: readonly InputModel[], id: string | undefined): readonly InputModel[] {
  const [first, ...others] = inputs;
  if (id === undefined) {
    const twice = inputs.find(({ modelConfigId }, index) => inputs.findIndex((other) => other.modelConfigId === modelConfigId) !== index);
    if (twice !== undefined) throw new InputError(`the model ${JSON.stringify(twice.modelConfigId)} is there twice`);
    return inputs;
  }
  if (first === undefined || others.length > 0) throw new InputError(`--id names one model, and there are ${inputs.length}`);
  return [{ ...first, modelConfigId: id }];
}

class Push {
  readonly #io: CommandIo;
  readonly #variables: Variables;
  readonly #store: ModelStore;
  readonly #stored: StoredModels;
  readonly #flags: PushFlags;

  constructor({ io, variables }: StoreCommandSurroundings, store: ModelStore, stored: StoredModels, flags: PushFlags) {
    this.#io = io;
    this.#variables = variables;
    this.#store = store;
    this.#stored = stored;
    this.#flags = flags;
  }

  async run(models: readonly ReviewedModel[], settings: ReviewedSettings | null, target: string): Promise<number> {
    const isJson = this.#flags.format === 'json';
    if (!isJson) this.#io.out(reviewText(models, settings));
    const report = (result: object): void => {
      if (isJson) this.#io.out(`${JSON.stringify({ ...reviewJson(models, settings), ...result }, null, 2)}\n`);
    };
    const refusal = this.#refusal(models, settings);
    if (refusal !== undefined) {
      report({ pushed: false, reason: refusal });
      this.#io.error(`inferflow push: ${refusal}; nothing was written\n`);
      return ExitCode.refused;
    }
    const writes = writesOf(models, settings);
    if (writes.length === 0 || this.#flags.dryRun === true) {
      report({ pushed: false });
      if (!isJson) this.#io.out(writes.length === 0 ? 'nothing to push: etcd has it all\n' : 'a dry run: nothing was written\n');
      return ExitCode.ok;
    }
    const author = { author: authorOf(this.#flags.author, this.#variables), message: this.#flags.message ?? '' };
    const transactions = await this.#store.countTransactions(this.#stored, writes, author);
    const several = transactions > 1 ? `, in ${transactions} transactions, since etcd does not take it at once` : '';
    const what = `${writes.length} ${writes.length === 1 ? 'version' : 'versions'} for ${target}${several}`;
    const answer = await confirmWrite(this.#io, `Push ${what}, as ${author.author}?`, this.#flags.yes === true);
    if (answer !== null) {
      report({ pushed: false, reason: answer.reason });
      this.#io.error(`inferflow push: ${answer.reason}\n`);
      return answer.code;
    }
    const { revision, entries } = await this.#store.write(this.#stored, writes, author);
    report({
      pushed: true,
      revision,
      versions: entries.map(({ modelConfigId, number, hash }) => ({ model_config_id: modelConfigId, number, hash })),
    });
    if (!isJson) {
      for (const { modelConfigId, number, hash, text } of entries) {
        const kept = text === null ? '; too large for its text to be kept in the history' : '';
        this.#io.out(
          `pushed ${modelConfigId ?? 'the service settings'}: version ${number}${hash === null ? '' : `, hash ${hash}`}, revision ${revision}${kept}\n`,
        );
      }
    }
    return ExitCode.ok;
  }

  #refusal(models: readonly ReviewedModel[], settings: ReviewedSettings | null): string | undefined {
    const withErrors = models.filter(({ action }) => action === 'refused');
    const refused = withErrors.map(({ modelConfigId }) => modelConfigId);
    if (settings !== null && hasErrors(settings.problems)) refused.push('the service settings');
    if (refused.length > 0) {
      const verdict = withErrors.every(({ notes }) => notes.includes(FORCEABLE)) ? '' : ', so servers would refuse it';
      return `${refused.join(', ')} ${refused.length === 1 ? 'has' : 'have'} errors${verdict}`;
    }
    if (this.#flags.allowBreaking === true) return undefined;
    const breaking = models.filter(({ changes }) => changes.some(({ impact }) => impact === 'breaking'));
    if (breaking.length === 0) return undefined;
    const names = breaking.map(({ modelConfigId }) => modelConfigId).join(', ');
    return `${names} breaks readers of answers or logs (marked [breaking] above); mend that, such as by raising cache_version, or give --allow-breaking`;
  }
}

function writesOf(models: readonly ReviewedModel[], settings: ReviewedSettings | null): readonly ModelWrite[] {
  const changed = models.filter(({ action }) => action !== 'unchanged' && action !== 'refused');
  const writes: ModelWrite[] = changed.map((model) => {
    const { modelConfigId, document } = model;
    return { modelConfigId, document, action: 'push', summary: summaryOf(model) };
  });
  if (settings !== null) writes.push({ modelConfigId: null, document: settings.document, action: 'push', summary: settings.changes });
  return writes;
}

/** Asks unless told not to; null if the answer is yes, else why not and with which exit status. */
export async function confirmWrite(
  io: CommandIo,
  question: string,
  isSure: boolean,
): Promise<{ readonly reason: string; readonly code: number } | null> {
  if (isSure) return null;
  const answer = (await io.ask?.(`${question} [y/N] `)) ?? null;
  if (answer === null)
    return { reason: 'nobody is there to confirm; give --yes to write without asking. Nothing was written', code: ExitCode.usage };
  if (/^y(es)?$/i.test(answer.trim())) return null;
  return { reason: 'not confirmed; nothing was written', code: ExitCode.refused };
}
