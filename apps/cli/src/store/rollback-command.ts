import type { HistoryEntry } from '@inferflow/config-etcd';
import { Command } from 'commander';
import { ExitCode } from '../command-io.js';
import { InputError } from '../config-input.js';
import { positiveInteger } from '../positive-integer.js';
import { authorOf } from './author.js';
import { connectionOptions } from './connection-options.js';
import { type CurrentVersion, currentVersion, versionOf } from './history-command.js';
import { confirmWrite, processSurroundings, type StoreCommandSurroundings, type WriteFlags, withWriteFlags } from './push-command.js';
import { reportFailures } from './report-failure.js';
import { checkInput, reviewModel } from './review-changes.js';
import { reviewJson, reviewText } from './review-text.js';

interface RollbackFlags extends WriteFlags {
  readonly to?: number;
}

/** `inferflow rollback <id>`: writes an earlier version of a model again, in the way `push` writes, as a new version. */
export function createRollbackCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io, variables } = surroundings;
  return withWriteFlags(new Command('rollback').description('write an earlier version of a model again'))
    .argument('<id>', 'model config id')
    .option('--to <n>', 'the version (default: the one before what etcd holds)', positiveInteger)
    .action((id: string, flags: RollbackFlags) =>
      reportFailures('rollback', io, async () => {
        const options = connectionOptions(flags, variables);
        const store = surroundings.createStore(options);
        const [stored, entries] = await Promise.all([store.read(), store.history(id)]);
        if (entries.length === 0)
          throw new InputError(`there is no history of ${JSON.stringify(id)}: only what push replaced can be brought back`);
        const number = flags.to ?? versionBefore(entries, currentVersion(stored, id, entries));
        const { entry, value } = versionOf(entries, number);
        const input = { file: `version ${number}`, modelConfigId: id, value };
        // The very text of the version is written, whatever its dialect.
        const dialect = checkInput(input, false).config?.dialect;
        const review = reviewModel(input, stored, { to: dialect, isForced: true });
        const isJson = flags.format === 'json';
        if (!isJson) io.out(reviewText([review], null));
        const report = (result: object): void => {
          if (isJson) io.out(`${JSON.stringify({ ...reviewJson([review], null), ...result }, null, 2)}\n`);
        };
        if (review.action === 'refused') {
          report({ pushed: false, reason: 'refused' });
          io.error(`inferflow rollback: servers would refuse version ${number}; nothing was written\n`);
          return ExitCode.refused;
        }
        if (review.action === 'unchanged') {
          report({ pushed: false });
          if (!isJson) io.out(`nothing to do: etcd holds version ${number} already\n`);
          return ExitCode.ok;
        }
        if (flags.dryRun === true) {
          report({ pushed: false });
          if (!isJson) io.out('a dry run: nothing was written\n');
          return ExitCode.ok;
        }
        const author = { author: authorOf(flags.author, variables), message: flags.message ?? '' };
        const answer = await confirmWrite(
          io,
          `Bring back version ${number} of ${id} (${describe(entry)}), as ${author.author}?`,
          flags.yes === true,
        );
        if (answer !== null) {
          report({ pushed: false, reason: answer.reason });
          io.error(`inferflow rollback: ${answer.reason}\n`);
          return answer.code;
        }
        const summary = [`brings back version ${number} (${describe(entry)})`];
        const write = { modelConfigId: id, document: value, action: 'rollback', summary, restores: number } as const;
        const result = await store.write(stored, [write], author);
        const version = result.entries[0]?.number ?? 0;
        report({ pushed: true, revision: result.revision, versions: [{ model_config_id: id, number: version, hash: entry.hash }] });
        if (!isJson)
          io.out(
            `rolled back ${id} to version ${number}: version ${version}${entry.hash === null ? '' : `, hash ${entry.hash}`}, revision ${result.revision}\n`,
          );
        return ExitCode.ok;
      }),
    );
}

function describe({ author, at, action }: HistoryEntry): string {
  return action === 'found' ? 'written by other means' : `by ${author} at ${at}`;
}

/** The version before the current one: before the one that a rollback brought back, not before the rollback. */
function versionBefore(entries: readonly HistoryEntry[], current: CurrentVersion): number {
  const newest = entries.at(-1);
  if (typeof current === 'string') return newest?.number ?? 0;
  let effective = current;
  while (effective.restores !== undefined) {
    const { restores } = effective;
    const restored = entries.find(({ number }) => number === restores);
    if (restored === undefined) break;
    effective = restored;
  }
  const earlier = entries.filter(
    ({ number, textHash, text }) => number < effective.number && textHash !== effective.textHash && text !== null,
  );
  const before = earlier.at(-1);
  if (before === undefined) throw new InputError(`there is no version before ${effective.number} in the history`);
  return before.number;
}
