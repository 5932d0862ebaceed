import { setTimeout as sleep } from 'node:timers/promises';
import { checkModelConfig, readDocument } from '@inferflow/config';
import { EtcdFailure, type ModelStore, type StoredModels, textHash } from '@inferflow/config-etcd';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CommandIo, ExitCode } from '../command-io.js';
import { InputError, readText } from '../config-input.js';
import { renderTable } from '../render-table.js';
import { type ConnectionFlags, connectionOptions, withConnectionFlags } from './connection-options.js';
import { processSurroundings, type StoreCommandSurroundings } from './push-command.js';
import { reportFailures } from './report-failure.js';
import { readServerConfig, type ServedModel, type ServerAccess, type ServerConfig, serverUrl } from './server-config.js';

interface StatusFlags extends ConnectionFlags {
  readonly server: readonly string[];
  readonly callerId?: string;
  readonly token?: string;
  readonly ca?: string;
  readonly timeout: number;
  readonly wait?: number;
  readonly format: 'table' | 'json';
}

/** One model at one server, against etcd. */
interface StatusRow {
  readonly server: string;
  readonly modelConfigId: string;
  readonly state: string;
  readonly same: boolean;
  /** What is not as it should be, and why. */
  readonly note: string;
  readonly servedHash: string;
  readonly etcdHash: string;
  readonly revision: string;
  readonly since: string;
}

interface Status {
  readonly rows: readonly StatusRow[];
  /** Servers that could not be asked, or that say that their configurations are not current. */
  readonly complaints: readonly { readonly server: string; readonly problem: string }[];
}

/** `inferflow status`: what each server says is live, against what etcd has. Exit status 0: the same everywhere; 1: not; 4: etcd cannot be asked. */
export function createStatusCommand(surroundings: StoreCommandSurroundings = processSurroundings()): Command {
  const { io, variables } = surroundings;
  return withConnectionFlags(new Command('status').description('show what each server says is live, against what etcd has'))
    .argument('[ids...]', 'only these models')
    .option('-s, --server <url>', 'a server, such as http://localhost:8085; repeatable (INFERFLOW_SERVERS, comma separated)', collect, [])
    .option('--caller-id <id>', 'inferflow-caller-id, where servers ask for one (INFERFLOW_CALLER_ID)')
    .option('--token <token>', 'inferflow-auth-token (INFERFLOW_CLIENT_V1_AUTH_TOKEN)')
    .option('--ca <file>', 'who signs the certificates of the servers')
    .option('--timeout <ms>', 'how long to wait for a server', positive, 5000)
    .option('--wait <s>', 'wait so long for all servers to have what etcd has', positive)
    .addOption(new Option('-f, --format <format>', 'how to report').choices(['table', 'json']).default('table'))
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action((ids: readonly string[], flags: StatusFlags) =>
      reportFailures('status', io, async () => {
        const servers = flags.server.length > 0 ? flags.server : splitList(variables['INFERFLOW_SERVERS']);
        if (servers.length === 0) throw new InputError('no server: give --server http://host:8085, or set INFERFLOW_SERVERS');
        for (const server of servers) serverUrl(server);
        const store = surroundings.createStore(connectionOptions(flags, variables));
        const callerId = flags.callerId ?? variables['INFERFLOW_CALLER_ID'];
        const token = flags.token ?? variables['INFERFLOW_CLIENT_V1_AUTH_TOKEN'];
        const ca = flags.ca === undefined ? undefined : await readText(flags.ca);
        const access = { callerId, token, ca, timeoutMs: flags.timeout };
        return new StatusReport(io, store, servers, ids, access).run(flags);
      }),
    );
}

function collect(value: string, all: readonly string[]): readonly string[] {
  return [...all, ...splitList(value)];
}

function splitList(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function positive(value: string): number {
  if (!(Number(value) > 0)) throw new InvalidArgumentError('expected a number above 0');
  return Number(value);
}

const POLL_MS = 200;

class StatusReport {
  readonly #io: CommandIo;
  readonly #store: ModelStore;
  readonly #servers: readonly string[];
  readonly #ids: readonly string[];
  readonly #access: ServerAccess;

  constructor(io: CommandIo, store: ModelStore, servers: readonly string[], ids: readonly string[], access: ServerAccess) {
    this.#io = io;
    this.#store = store;
    this.#servers = servers;
    this.#ids = ids;
    this.#access = access;
  }

  async run({ wait, format }: Pick<StatusFlags, 'wait' | 'format'>): Promise<number> {
    const end = performance.now() + (wait ?? 0) * 1000;
    for (;;) {
      const { status, failure } = await this.#look();
      const isSame = failure === null && status.complaints.length === 0 && status.rows.every(({ same }) => same);
      if (!isSame && performance.now() + POLL_MS < end) {
        await sleep(POLL_MS);
        continue;
      }
      this.#io.out(format === 'json' ? jsonText(status, failure) : tableText(status));
      if (failure !== null) this.#io.error(`inferflow status: ${failure.message}\n`);
      return failure !== null ? ExitCode.unavailable : isSame ? ExitCode.ok : ExitCode.refused;
    }
  }

  /** What servers say is worth knowing even when etcd is down. */
  async #look(): Promise<{ readonly status: Status; readonly failure: EtcdFailure | null }> {
    const reading = this.#store.read().catch((error: unknown) => {
      if (error instanceof EtcdFailure) return error;
      throw error;
    });
    const asking = this.#servers.map((server) => readServerConfig(server, this.#access).catch((error: Error) => error));
    const [stored, ...answers] = await Promise.all([reading, ...asking]);
    const expected = stored instanceof EtcdFailure ? null : expectedModels(stored);
    const rows: StatusRow[] = [];
    const complaints: { server: string; problem: string }[] = [];
    answers.forEach((answer, index) => {
      const server = this.#servers[index] ?? '';
      if (answer instanceof Error) {
        complaints.push({ server, problem: answer.message });
        return;
      }
      if (answer.source !== null && answer.source.state !== 'live' && answer.source.state !== '') {
        complaints.push({ server, problem: `its configurations are ${answer.source.state}: ${answer.source.reason || 'no reason given'}` });
      }
      rows.push(...this.#rowsOf(server, answer, expected));
    });
    return { status: { rows, complaints }, failure: stored instanceof EtcdFailure ? stored : null };
  }

  #rowsOf(server: string, { models }: ServerConfig, expected: ReadonlyMap<string, ExpectedModel> | null): readonly StatusRow[] {
    const served = new Map(models.map((model) => [model.id, model]));
    const ids = [...new Set([...served.keys(), ...(expected?.keys() ?? []), ...this.#ids])].sort();
    const wanted = this.#ids.length === 0 ? ids : ids.filter((id) => this.#ids.includes(id));
    return wanted.map((modelConfigId) => {
      const model = served.get(modelConfigId);
      const inEtcd = expected?.get(modelConfigId);
      const note = expected === null ? (model?.reason ?? '') : noteOf(model, inEtcd);
      return {
        ...{ server, modelConfigId, note },
        state: model?.state ?? 'absent',
        same: expected !== null && note === '',
        servedHash: model === undefined ? '' : (servedHashOf(model) ?? ''),
        etcdHash: inEtcd?.hash ?? '',
        revision: inEtcd === undefined ? (model?.revision ?? '') : String(inEtcd.revision),
        since: model?.since ?? '',
      };
    });
  }
}

interface ExpectedModel {
  readonly hash: string;
  readonly revision: number;
}

/** Models as a server would name them. */
function expectedModels(stored: StoredModels): ReadonlyMap<string, ExpectedModel> {
  const found = new Map<string, ExpectedModel>();
  for (const { modelConfigId, document, modRevision } of stored.models.values()) {
    const read = readDocument(document);
    const config = 'problem' in read ? null : checkModelConfig(modelConfigId, read.value).config;
    const hash = config?.hash ?? ('text' in document ? textHash(document.text) : '');
    found.set(modelConfigId, { hash, revision: modRevision });
  }
  return found;
}

/** Undefined while nothing serves. */
function servedHashOf({ state, hash, liveHash }: ServedModel): string | undefined {
  return state === 'live' ? (liveHash ?? hash) : (liveHash ?? undefined);
}

/** Empty if a server has what etcd has. */
function noteOf(model: ServedModel | undefined, inEtcd: ExpectedModel | undefined): string {
  if (model === undefined) return inEtcd === undefined ? 'neither etcd nor the server has it' : 'the server does not have it';
  if (inEtcd === undefined) return `etcd does not have it${model.reason === '' ? '' : `: ${model.reason}`}`;
  const seen = model.hash === inEtcd.hash;
  if (model.state === 'live' && seen) return '';
  if (!seen) return `the server has another version${model.reason === '' ? '' : `: ${model.reason}`}`;
  if (model.reason !== '') return `${model.state}: ${model.reason}`;
  return `${model.state}; ${servedHashOf(model) === undefined ? 'nothing serves' : 'the version before serves'}`;
}

function tableText({ rows, complaints }: Status): string {
  const lines = rows.map(({ modelConfigId, server, state, servedHash, etcdHash, revision, since, same }) => [
    `${same ? '=' : '!'} ${modelConfigId}`,
    server,
    state,
    servedHash || '–',
    etcdHash || '–',
    revision,
    since,
  ]);
  const headings = ['model', 'server', 'state', 'serves', 'etcd', 'revision', 'since'];
  const table = lines.length === 0 ? 'no models\n' : `${renderTable(headings, lines)}\n`;
  const differing = rows.filter(({ same }) => !same).length;
  const summary = differing === 0 && complaints.length === 0 ? 'servers have what etcd has\n' : `${differing} of ${rows.length} differ\n`;
  const notes = rows
    .filter(({ note }) => note !== '')
    .map(({ modelConfigId, server, note }) => `! ${modelConfigId} at ${server}: ${note}\n`);
  const troubles = complaints.map(({ server, problem }) => `! ${server}: ${problem}\n`);
  return [table, ...notes, ...troubles, summary].join('');
}

function jsonText({ rows, complaints }: Status, failure: EtcdFailure | null): string {
  const models = rows.map(({ modelConfigId, servedHash, etcdHash, ...row }) => ({
    model_config_id: modelConfigId,
    ...row,
    served_hash: servedHash === '' ? null : servedHash,
    etcd_hash: etcdHash === '' ? null : etcdHash,
  }));
  const same = failure === null && complaints.length === 0 && rows.every((row) => row.same);
  return `${JSON.stringify({ same, models, servers: complaints, ...(failure !== null && { etcd: failure.message }) }, null, 2)}\n`;
}
