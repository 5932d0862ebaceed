import type { FloatStyle } from '@inferflow/logging/decode';
import { readTopic } from '@inferflow/logging/kafka';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { createDecodedOutput, type OutputFormat } from './decoded-output.js';
import { timeFlag } from './iso-time.js';
import { keepInput } from './kept-input.js';
import { type SchemaOptions, schemaFinder } from './log-schema-source.js';
import { loggedMessages } from './logged-messages.js';
import { ReadProgress } from './read-progress.js';
import { RecordDecoder } from './record-decoder.js';
import { tellingText } from './telling-error.js';
import { refuseTopicFlags, type TopicFlags, topicOptions, withTopicFlags } from './topic-options.js';

interface DecodeCommandOptions extends SchemaOptions, TopicFlags {
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
  const command = new Command('decode')
    .description('inference logs as rows: from a file, stdin (-) or, with --brokers, a Kafka topic')
    .argument('<source>', 'a file with one record, or with one record a line; - for stdin; with --brokers a topic')
    .option('--config <path>', 'schema from model configurations')
    .option('--schema <file>', 'schema from a file, as the schema endpoint answers')
    .option('--endpoint <url>', 'schema from a server');
  return withTopicFlags(command)
    .option('--since <time>', 'records written at or after this time (ISO)')
    .option('--until <time>', 'records written before this time (ISO)')
    .option('--model <id>', 'only records of this model')
    .option('--tracking-id <id>', 'only records of this request')
    .addOption(new Option('-f, --format <format>', 'how to write rows').choices(['json', 'csv', 'parquet', 'arrow']).default('json'))
    .addOption(new Option('--floats <style>', 'as stored, or rounded to six decimals').choices(['exact', 'rounded']).default('exact'))
    .option('-o, --output <file>', 'write to a file')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? ExitCode.ok : ExitCode.usage))
    .action(async (source: string, options: DecodeCommandOptions) => {
      try {
        await decodeAll(source, options, io);
      } catch (error) {
        // Whoever reads our rows has seen enough.
        if ((error as NodeJS.ErrnoException).code === 'EPIPE') return;
        const text = tellingText(error, source);
        if (text === undefined) throw error;
        io.error(`inferflow decode: ${text}\n`);
        io.exitWith(ExitCode.usage);
      }
    });
}

async function decodeAll(source: string, options: DecodeCommandOptions, io: CommandIo): Promise<void> {
  const sinceMs = timeFlag(options.since, '--since');
  const untilMs = timeFlag(options.until, '--until');
  const topic = options.brokers === undefined ? null : topicOptions(source, options, sinceMs, process.env);
  if (topic === null) refuseTopicFlags(options);
  if (topic === null && source !== '-') await keepInput(source, [options.output]);
  const findSchema = await schemaFinder(options, io);
  const output = createDecodedOutput(options.format, options.output, io);
  const { model, trackingId } = options;
  const filter = {
    ...(model !== undefined && { model }),
    ...(trackingId !== undefined && { trackingId }),
    sinceMs: sinceMs ?? Number.NEGATIVE_INFINITY,
    untilMs: untilMs ?? Number.POSITIVE_INFINITY,
  };
  const decoder = new RecordDecoder(filter, options.floats, findSchema, output, io);
  const progress = new ReadProgress(io);
  const stop = new AbortController();
  let isComplete = false;
  const interrupted = (): void => stop.abort();
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  // Whoever reads our rows may go before we are done: that is no mistake.
  io.stdout?.on('error', interrupted);
  try {
    if (topic !== null) {
      const onTrouble = (error: Error): void => io.error(`${source}: ${error.message}; still trying\n`);
      await readTopic({ ...topic, signal: stop.signal, onTrouble }, async (record, { records }) => {
        await decoder.decode(`${source}[${record.partition}]@${record.offset}`, record.value, record.timestampMs);
        progress.show(decoder.records, topic.follow === true ? 0 : records, decoder.rows);
      });
    } else {
      let [read, total] = [0, 0];
      const onProgress = (readBytes: number, totalBytes: number): void => {
        read = readBytes;
        total = totalBytes;
      };
      const messages = loggedMessages(source, onProgress, stop.signal);
      for await (const { place, bytes, timeMs } of messages) {
        if (stop.signal.aborted) break;
        await decoder.decode(place, bytes, timeMs);
        progress.show(read, total, decoder.rows);
      }
    }
    isComplete = !stop.signal.aborted;
  } finally {
    io.stdout?.off('error', interrupted);
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    progress.end();
    await output.close(isComplete);
  }
  if (decoder.records === 0) io.error(`inferflow decode: no records in ${source}\n`);
  else if (decoder.wanted + decoder.corrupt === 0)
    io.error(`inferflow decode: none of ${decoder.records} records is one that was asked for\n`);
  if (decoder.corrupt > 0) io.error(`inferflow decode: ${decoder.corrupt} of ${decoder.records} records could not be read\n`);
  io.exitWith(decoder.corrupt > 0 ? ExitCode.refused : ExitCode.ok);
}
