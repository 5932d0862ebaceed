import { readFileSync } from 'node:fs';
import type {
  InferflowClient,
  ModelScoreRequest,
  ModelScoreResult,
  PairWiseRequest,
  PointWiseRequest,
  SlateWiseRequest,
} from '@inferflow/client';
import { createNodeInferflowClient } from '@inferflow/client/node';
import { Command, InvalidArgumentError, Option } from 'commander';
import { answerNotes } from './answer-notes.js';
import { type CommandIo, processIo } from './command-io.js';
import { rankedRows } from './ranked-rows.js';
import { renderTable } from './render-table.js';

interface InferOptions {
  readonly server: string;
  readonly model?: string;
  readonly targets?: string;
  readonly context?: Record<string, string>;
  readonly values: 'text' | 'typed';
  readonly deadline: number;
  readonly sort?: string;
  readonly format: 'table' | 'json';
  readonly callerId?: string;
  readonly token?: string;
  readonly ca?: string;
}

/** `inferflow infer`: one request from a JSON file or flags, the answer as a table or JSON. */
export function createInferCommand(io: CommandIo = processIo): Command {
  return new Command('infer')
    .description('send one scoring request and print the answer, best first')
    .argument('[file]', 'request as JSON, - for standard input; pairs, slates or entities in it choose the method')
    .option('-s, --server <host:port>', 'server; https://host:port for one with TLS', 'localhost:8085')
    .option('--ca <file>', 'authorities to trust (PEM), for a server with TLS')
    .option('-m, --model <id>', 'model config id (instead of, or over, the file’s)')
    .option('-t, --targets <ids>', 'comma list of target ids (instead of a file)')
    .option('-c, --context <name=value>', 'context feature, may be repeated', collectPair)
    .addOption(
      new Option('--values <form>', 'form of feature values on the wire, as the model asks for')
        .choices(['text', 'typed'])
        .default('typed'),
    )
    .option('--deadline <ms>', 'how long to wait', parseMilliseconds, 5000)
    .option('--sort <column>', 'column to sort by (default: the last one with numbers)')
    .addOption(new Option('-f, --format <format>', 'output').choices(['table', 'json']).default('table'))
    .option('--caller-id <id>', 'inferflow-caller-id')
    .option('--token <token>', 'inferflow-auth-token')
    .action(async (file: string | undefined, options: InferOptions) => {
      const request = await readRequest(file, options, io);
      const { host, port, isTls } = parseServer(options.server);
      const client = createNodeInferflowClient({
        host,
        port,
        requestValues: options.values,
        ...((isTls || options.ca !== undefined) && { tls: options.ca === undefined ? true : { ca: readFileSync(options.ca) } }),
        ...(options.callerId !== undefined && { callerId: options.callerId }),
        ...(options.token !== undefined && { authToken: options.token }),
      });
      try {
        io.out(`${await ask(client, request, options)}\n`);
      } finally {
        await client.close(0);
      }
    });
}

type AnyRequest = PointWiseRequest | PairWiseRequest | SlateWiseRequest | ModelScoreRequest;

async function ask(client: InferflowClient, request: AnyRequest, options: InferOptions): Promise<string> {
  const call = { timeoutMs: options.deadline };
  const show = (result: object, tables: readonly string[]): string => (options.format === 'json' ? toJson(result) : tables.join('\n\n'));
  const withNotes = ({ faults, quality }: Pick<ModelScoreResult, 'faults' | 'quality'>, tables: readonly string[]): readonly string[] => {
    const notes = answerNotes(
      faults.map(({ error }) => error),
      quality,
    );
    return notes === '' ? tables : [...tables, notes.trimEnd()];
  };
  if ('entities' in request) {
    const result = await client.retrieveModelScore(request, call);
    return show(result, withNotes(result, [table(result.columns, result.rows, options.sort)]));
  }
  const names = (columns: readonly { readonly name: string }[]): readonly string[] => columns.map(({ name }) => name);
  if ('pairs' in request) {
    const result = await client.inferPairWise(request, call);
    const pairs = result.pairs.map((row) => ({ ...row, values: { pair: `${row.first}, ${row.second}`, ...row.values } }));
    const tables = [table(names(result.targetColumns), result.targets, options.sort), table(['pair', ...names(result.pairColumns)], pairs)];
    return show(result, withNotes(result, tables));
  }
  if ('slates' in request) {
    const result = await client.inferSlateWise(request, call);
    const slates = result.slates.map((row) => ({ ...row, values: { slate: row.targetIndices.join(', '), ...row.values } }));
    const tables = [
      table(names(result.targetColumns), result.targets, options.sort),
      table(['slate', ...names(result.slateColumns)], slates),
    ];
    return show(result, withNotes(result, tables));
  }
  const result = await client.inferPointWise(request, call);
  return show(result, withNotes(result, [table(names(result.targetColumns), result.targets, options.sort)]));
}

function table(columns: readonly string[], rows: Parameters<typeof rankedRows>[1], sort?: string): string {
  const ranked = rankedRows(columns, rows, sort);
  return renderTable(ranked.columns, ranked.rows);
}

async function readRequest(file: string | undefined, options: InferOptions, io: CommandIo): Promise<AnyRequest> {
  const fromFile = file === undefined ? {} : parseObject(file === '-' ? await io.readStdin() : readFileSync(file, 'utf8'), file);
  const targets = options.targets?.split(',').map((id) => ({ id: id.trim() }));
  const context = { ...(fromFile['context'] as object | undefined), ...options.context };
  const request = {
    ...fromFile,
    ...(options.model !== undefined && { modelConfigId: options.model }),
    ...(targets !== undefined && { targets }),
    ...(Object.keys(context).length > 0 && { context }),
  };
  if (!('modelConfigId' in request)) throw new Error('no model: give --model, or modelConfigId in the file');
  if (!('targets' in request) && !('entities' in request))
    throw new Error('nothing to score: give --targets, or targets or entities in the file');
  return request as unknown as AnyRequest;
}

function parseObject(content: string, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new Error(`${file === '-' ? 'standard input' : file} is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('the request must be a JSON object');
  return value as Record<string, unknown>;
}

function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, each: unknown) =>
      typeof each === 'bigint' ? String(each) : each instanceof Uint8Array ? Buffer.from(each).toString('base64') : each,
    2,
  );
}

function parseServer(server: string): { host: string; port: number; isTls: boolean } {
  const match = /^(?:https?:\/\/)?(?:\[(.+)\]|([^:/]+))(?::(\d+))?\/?$/.exec(server);
  if (match === null) throw new Error(`--server ${server}: expected host:port`);
  return { host: match[1] ?? match[2]!, port: Number(match[3] ?? 8085), isTls: server.startsWith('https:') };
}

function collectPair(value: string, all: Record<string, string> | undefined): Record<string, string> {
  const at = value.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected name=value');
  return { ...all, [value.slice(0, at)]: value.slice(at + 1) };
}

function parseMilliseconds(value: string): number {
  const milliseconds = Number(value);
  if (!(milliseconds > 0)) throw new InvalidArgumentError('expected a number of milliseconds above 0');
  return milliseconds;
}
