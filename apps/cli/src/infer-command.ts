import { ClientError, type PredictCallOptions } from '@inferflow/client';
import { createNodeInferflowClient } from '@inferflow/client/node';
import { Command, InvalidArgumentError, Option } from 'commander';
import { callFailureJson, callFailureText } from './call-failure.js';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { readText } from './config-input.js';
import { inferAnswer } from './infer-answer.js';
import { type RequestFlags, readInferRequest } from './infer-request.js';
import { sendInstead } from './wire-request.js';

interface InferOptions extends RequestFlags {
  readonly server: string;
  readonly values: 'text' | 'typed';
  readonly deadlineMs?: number;
  readonly header?: Record<string, readonly string[]>;
  readonly sort?: string;
  readonly format: 'table' | 'json';
  readonly json?: boolean;
  readonly callerId?: string;
  readonly token?: string;
  readonly ca?: string;
}

/** For how long the server's own answer is waited for after the deadline that it was told: what it has to say beats our clock. */
const graceMs = 1000;
/** How long a server may take that was told no deadline. */
const patienceMs = 60_000;

/** `inferflow infer`: one request from a JSON file or flags, the answer as a table or JSON. */
export function createInferCommand(io: CommandIo = processIo): Command {
  return new Command('infer')
    .description('send one scoring request and print the answer, best first')
    .argument(
      '[file]',
      'request as JSON (of this client, or the message of the protocol), - for standard input; pairs, slates or entities in it choose the method',
    )
    .option('-s, --server <host:port>', 'server; https://host:port for one with TLS', 'localhost:8085')
    .option('--ca <file>', 'authorities to trust (PEM), for a server with TLS')
    .option('-m, --model <id>', 'model config id (instead of, or over, the file’s)')
    .option('-t, --targets <ids>', 'comma list of target ids (instead of a file)')
    .option('-c, --context <name=value>', 'context feature, may be repeated', collectContext)
    .addOption(
      new Option('--values <form>', 'form of feature values on the wire, as the model asks for')
        .choices(['text', 'typed'])
        .default('typed'),
    )
    .option(
      '--deadline-ms <ms>',
      'the time the server is given; without it the deadline of the model or of the server holds, and 60 s here',
      parseMilliseconds,
    )
    .addOption(new Option('--deadline <ms>', 'the same').argParser(parseMilliseconds).hideHelp())
    .option('-H, --header <name=value>', 'request header, may be repeated', collectHeader)
    .option('--user-id <id>', 'the user-id header: the side of a traffic split, log sampling, keys of models that use it')
    .option('--tracking-id <id>', 'identifies the request in logs (default: a new one)')
    .addOption(new Option('--caller-id <id>', 'inferflow-caller-id').env('INFERFLOW_CALLER_ID'))
    .addOption(new Option('--token <token>', 'inferflow-auth-token').env('INFERFLOW_CLIENT_V1_AUTH_TOKEN'))
    .option('--sort <column>', 'column to sort by (default: the last one with numbers)')
    .addOption(new Option('-f, --format <format>', 'output').choices(['table', 'json']).default('table'))
    .option('--json', 'the same as --format json; a failure is JSON too')
    .action(async (file: string | undefined, given: InferOptions & { readonly deadline?: number }) => {
      const options: InferOptions = { ...given, ...(given.json === true && { format: 'json' }) };
      const { request, message } = await readInferRequest(file, options, io);
      const { host, port, isTls } = parseServer(options.server);
      const tls = options.ca === undefined ? true : { ca: await readText(options.ca) };
      const client = createNodeInferflowClient({
        host,
        port,
        requestValues: options.values,
        interceptors: message === null ? [] : [sendInstead(message)],
        ...((isTls || options.ca !== undefined) && { tls }),
        ...(options.callerId !== undefined && { callerId: options.callerId }),
        ...(options.token !== undefined && { authToken: options.token }),
      });
      try {
        io.out(`${await inferAnswer(client, request, callOptions(options, options.deadlineMs ?? given.deadline), options)}\n`);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        if (options.format === 'json') io.out(`${callFailureJson(error)}\n`);
        else io.error(`inferflow: ${callFailureText(error)}\n`);
        io.exitWith(ExitCode.refused);
      } finally {
        await client.close(0);
      }
    });
}

function callOptions({ header, userId }: InferOptions, deadlineMs: number | undefined): PredictCallOptions {
  return {
    deadlineMs: deadlineMs ?? null,
    timeoutMs: deadlineMs === undefined ? patienceMs : deadlineMs + graceMs,
    headers: { ...header, ...(userId !== undefined && { 'user-id': userId }) },
  };
}

function parseServer(server: string): { host: string; port: number; isTls: boolean } {
  const match = /^(?:https?:\/\/)?(?:\[(.+)\]|([^:/]+))(?::(\d+))?\/?$/.exec(server);
  if (match === null) throw new Error(`--server ${server}: expected host:port`);
  return { host: match[1] ?? match[2]!, port: Number(match[3] ?? 8085), isTls: server.startsWith('https:') };
}

function collectContext(pair: string, all: Record<string, string> | undefined): Record<string, string> {
  const [name, value] = splitPair(pair);
  return { ...all, [name]: value };
}

function collectHeader(pair: string, all: Record<string, readonly string[]> | undefined): Record<string, readonly string[]> {
  const [name, value] = splitPair(pair);
  const key = name.toLowerCase();
  return { ...all, [key]: [...(all?.[key] ?? []), value] };
}

function splitPair(pair: string): [name: string, value: string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected name=value');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function parseMilliseconds(value: string): number {
  const milliseconds = Number(value);
  if (!(milliseconds > 0)) throw new InvalidArgumentError('expected a number of milliseconds above 0');
  return milliseconds;
}
