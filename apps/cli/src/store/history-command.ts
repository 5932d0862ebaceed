import { readDocument } from '@inferflow/config';
import { type HistoryEntry, type StoredModels, textHash } from '@inferflow/config-etcd';
import { Command, Option } from 'commander';
import { ExitCode } from '../command-io.js';
import { InputError } from '../config-input.js';
import { positiveInteger } from '../positive-integer.js';
import { renderTable } from '../render-table.js';
import { type ConnectionFlags, connectionOptions, withConnectionFlags } from './connection-options.js';
import { documentText } from './document-file.js';
import { unknownModel } from './pull-command.js';
import { processSurroundings, type StoreCommandSurroundings } from './push-command.js';
import { reportFailures } from './report-failure.js';

interface HistoryFlags extends ConnectionFlags {
  readonly show?: number;
  readonly service?: boolean;
  readonly format: 'table' | 'json';
}

/** `inferflow history <id>`: who wrote which version of a model, when, and what it changed. */
export function createHistoryCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io, variables } = surroundings;
  return withConnectionFlags(new Command('history').description('show who wrote which version of a model, when, and what it changed'))
    .argument('[id]', 'model config id')
    .option('--service', 'the service settings instead of a model')
    .option('--show <n>', 'print that version instead', positiveInteger)
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['table', 'json']).default('table'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action((id: string | undefined, flags: HistoryFlags) =>
      reportFailures('history', io, async () => {
        if ((id === undefined) === (flags.service !== true)) throw new InputError('give the id of a model, or --service');
        const store = surroundings.createStore(connectionOptions(flags, variables));
        const [stored, entries] = await Promise.all([store.read(), store.history(id ?? null)]);
        if (entries.length === 0 && id !== undefined && !stored.models.has(id))
          throw new InputError(unknownModel(id, stored.models.keys()));
        if (flags.show !== undefined) {
          io.out(documentText(versionOf(entries, flags.show).value, 'json'));
          return ExitCode.ok;
        }
        const current = currentVersion(stored, id ?? null, entries);
        io.out(flags.format === 'json' ? json(entries, current) : table(entries, current));
        return ExitCode.ok;
      }),
    );
}

/** What etcd holds now: a version, `none`, or something that the history does not know. */
export type CurrentVersion = HistoryEntry | 'none' | 'unknown';

/** Finds what etcd holds in the history. */
export function currentVersion(stored: StoredModels, modelConfigId: string | null, entries: readonly HistoryEntry[]): CurrentVersion {
  const document = modelConfigId === null ? stored.service : stored.models.get(modelConfigId)?.document;
  if (document === undefined) return 'none';
  if (!('text' in document)) return 'unknown';
  const newest = entries.at(-1);
  return newest !== undefined && newest.textHash === textHash(document.text) ? newest : 'unknown';
}

/**
 * A version and its document.
 * @throws InputError if there is none
 */
export function versionOf(entries: readonly HistoryEntry[], number: number): { readonly entry: HistoryEntry; readonly value: unknown } {
  const entry = entries.find((each) => each.number === number);
  const range = entries.length === 0 ? 'there is no history' : `there are ${entries[0]?.number} to ${entries.at(-1)?.number}`;
  if (entry === undefined) throw new InputError(`there is no version ${number}: ${range}`);
  if (entry.text === null) throw new InputError(`version ${number} was too large to be kept in the history`);
  const read = readDocument({ text: entry.text, format: 'json' });
  if ('problem' in read) throw new InputError(`version ${number} is no JSON: ${read.problem.message}`);
  return { entry, value: read.value };
}

const actionText = ({ action, restores }: HistoryEntry): string => (action === 'rollback' ? `rollback to ${restores}` : action);

function table(entries: readonly HistoryEntry[], current: CurrentVersion): string {
  if (entries.length === 0) return `${noteOf(current)}\n`;
  const rows = [...entries].reverse().map((entry) => {
    const { number, at, author, message, summary, revision, hash } = entry;
    const what = [message, summary[0] ?? ''].filter((part) => part !== '').join(': ');
    const more = summary.length > 1 ? ` (and ${summary.length - 1} more)` : '';
    return [
      `${entry === current ? '*' : ' '} ${number}`,
      at,
      author || '?',
      actionText(entry),
      `${what}${more}`,
      String(revision),
      hash ?? '?',
    ];
  });
  const note = typeof current === 'string' ? `${noteOf(current)}\n` : '';
  return `${renderTable(['version', 'when', 'who', 'how', 'what', 'revision', 'hash'], rows)}\n${note}`;
}

function noteOf(current: CurrentVersion): string {
  if (current === 'none') return 'etcd does not hold it now';
  if (current === 'unknown')
    return 'etcd holds a version that the history does not know: written by other means. The next push or rollback keeps it';
  return '';
}

function json(entries: readonly HistoryEntry[], current: CurrentVersion): string {
  const versions = entries.map(({ text, ...entry }) => ({
    ...entry,
    kept: text !== null,
    current: current !== 'none' && current !== 'unknown' && entry.number === current.number,
  }));
  return `${JSON.stringify({ versions, etcd: typeof current === 'string' ? current : current.number }, null, 2)}\n`;
}
