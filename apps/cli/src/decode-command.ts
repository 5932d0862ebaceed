import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { type LogFeature, LoggingError } from '@inferflow/logging';
import { decodeBlobs, type FloatStyle, parseEnvelope, readLogHeader } from '@inferflow/logging/decode';
import { readTopic } from '@inferflow/logging/kafka';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { InputError } from './config-input.js';
import { DecodedOutput, type OutputFormat } from './decoded-output.js';
import { type FindSchema, type SchemaOptions, schemaFinder } from './log-schema-source.js';
import { loggedMessages } from './logged-messages.js';

interface DecodeCommandOptions extends SchemaOptions {
  readonly brokers?: string;
  readonly follow?: boolean;
  readonly fromOffset?: string;
  readonly since?: string;
  readonly until?: string;
  readonly model?: string;
  readonly trackingId?: string;
  readonly format: OutputFormat;
  readonly floats: FloatStyle;
  readonly output?: string;
}

/**
 * `inferflow decode <file|topic>`: inference logs as rows. Exit status 0: every record was read; 1: some could not be; 2: nothing could
 * be tried.
 */
export function createDecodeCommand(io: CommandIo = processIo): Command {
  return new Command('decode')
    .description('inference logs as rows: from a file, stdin (-) or, with --brokers, a Kafka topic')
    .argument('<source>', 'a file with one record, or with one record a line; - for stdin; with --brokers a topic')
    .option('--config <path>', 'schema from model configurations')
    .option('--schema <file>', 'schema from a file, as the schema endpoint answers')
    .option('--endpoint <url>', 'schema from a server')
    .option('--brokers <list>', 'read a Kafka topic from these brokers (host:port, comma separated)')
    .option('--follow', 'go on with new records of the topic')
    .option('--from-offset <number>', 'first offset of every partition')
    .option('--since <time>', 'records written at or after this time (ISO)')
    .option('--until <time>', 'records written before this time (ISO)')
    .option('--model <id>', 'only records of this model')
    .option('--tracking-id <id>', 'only records of this request')
    .addOption(new Option('-f, --format <format>', 'how to write rows').choices(['json', 'csv']).default('json'))
    .addOption(new Option('--floats <style>', 'as stored, or rounded to six decimals').choices(['exact', 'rounded']).default('exact'))
    .option('-o, --output <file>', 'write to a file')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (source: string, options: DecodeCommandOptions) => {
      try {
        await decodeAll(source, options, io);
      } catch (error) {
        if (!(error instanceof InputError) && (error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof SyntaxError))
          throw error;
        io.error(`inferflow decode: ${(error as Error).message}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

async function decodeAll(source: string, options: DecodeCommandOptions, io: CommandIo): Promise<void> {
  const findSchema = await schemaFinder(options, io);
  const file = options.output === undefined ? null : createWriteStream(options.output);
  const output = new DecodedOutput(options.format, (text) => (file === null ? io.out(text) : void file.write(text)));
  const decoder = new RecordDecoder(options, findSchema, output, io);
  const progress = new Progress(io);
  if (options.brokers !== undefined) {
    const since = timeOf(options.since, '--since');
    const from =
      options.fromOffset !== undefined ? { offset: Number(options.fromOffset) } : since === undefined ? undefined : { timeMs: since };
    const reader = {
      brokers: options.brokers.split(','),
      topic: source,
      follow: options.follow === true,
      ...(from !== undefined && { from }),
    };
    await readTopic(reader, async (record, { records }) => {
      await decoder.decode(`${source}[${record.partition}]@${record.offset}`, record.value, record.timestampMs);
      if (options.follow !== true) progress.show(decoder.records, records, decoder.rows);
    });
  } else {
    let [read, total] = [0, 0];
    const messages = loggedMessages(source, (readBytes, totalBytes) => {
      read = readBytes;
      total = totalBytes;
    });
    for await (const { place, bytes, timeMs } of messages) {
      await decoder.decode(place, bytes, timeMs);
      progress.show(read, total, decoder.rows);
    }
  }
  progress.end();
  if (file !== null) {
    file.end();
    await once(file, 'finish');
  }
  if (decoder.records === 0) io.error(`inferflow decode: no records in ${source}\n`);
  if (decoder.corrupt > 0) io.error(`inferflow decode: ${decoder.corrupt} of ${decoder.records} records could not be read\n`);
  io.exitWith(decoder.corrupt > 0 ? ExitCode.refused : ExitCode.ok);
}

class RecordDecoder {
  records = 0;
  rows = 0;
  corrupt = 0;
  readonly #options: DecodeCommandOptions;
  readonly #findSchema: FindSchema;
  readonly #output: DecodedOutput;
  readonly #io: CommandIo;
  readonly #since: number;
  readonly #until: number;

  constructor(options: DecodeCommandOptions, findSchema: FindSchema, output: DecodedOutput, io: CommandIo) {
    this.#options = options;
    this.#findSchema = findSchema;
    this.#output = output;
    this.#io = io;
    this.#since = timeOf(options.since, '--since') ?? Number.NEGATIVE_INFINITY;
    this.#until = timeOf(options.until, '--until') ?? Number.POSITIVE_INFINITY;
  }

  async decode(place: string, bytes: Uint8Array | null, timeMs: number | undefined): Promise<void> {
    this.records++;
    try {
      if (bytes === null) throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'neither a record nor base64 of one');
      const envelope = parseEnvelope(bytes);
      const at = timeMs ?? (envelope === null ? undefined : envelope.createdAtSeconds * 1000);
      if (at !== undefined && (at < this.#since || at >= this.#until)) return;
      const header = await readLogHeader(envelope?.message ?? bytes);
      const { model, trackingId, floats } = this.#options;
      if ((model !== undefined && header.modelConfigId !== model) || (trackingId !== undefined && header.trackingId !== trackingId)) return;
      const features: readonly LogFeature[] | undefined = await this.#findSchema(header.modelConfigId, header.version);
      if (features === undefined) {
        throw new LoggingError(
          'INFERFLOW_LOGGING_SCHEMA_NOT_FOUND',
          `no schema for model "${header.modelConfigId}", version ${header.version}`,
        );
      }
      const log = await decodeBlobs(header, features, { floats });
      for (const warning of log.warnings) this.#io.error(`${place}: ${warning}\n`);
      this.#output.record(log, features);
      this.rows += log.rows.length;
    } catch (error) {
      if (!(error instanceof LoggingError)) throw error;
      this.corrupt++;
      this.#io.error(`${place}: ${error.message}\n`);
    }
  }
}

function timeOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined;
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new InputError(`${option} ${text}: expected a time such as 2026-01-31T12:00:00Z`);
  return time;
}

/** A bar on standard error, for people only, once reading takes longer than a moment. */
class Progress {
  readonly #io: CommandIo;
  readonly #started = performance.now();
  #shownAt = performance.now() + 1000;
  #isShown = false;

  constructor(io: CommandIo) {
    this.#io = io;
  }

  show(done: number, total: number, rows: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now < this.#shownAt) return;
    this.#shownAt = now + 200;
    this.#isShown = true;
    const share = total > 0 ? Math.min(done / total, 1) : 0;
    const bar = '█'.repeat(Math.round(share * 24)).padEnd(24, '░');
    const rate = Math.round((rows / (now - this.#started)) * 1000);
    this.#io.error(`\r${bar} ${(share * 100).toFixed(0).padStart(3)} %  ${rows} rows, ${rate} rows/s `);
  }

  end(): void {
    if (this.#isShown) this.#io.error('\n');
  }
}
