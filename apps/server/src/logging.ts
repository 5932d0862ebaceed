import { join } from 'node:path';
import type { ConfigSnapshot } from '@inferflow/config';
import type { LogTap } from '@inferflow/engine';
import {
  type AlwaysLogRules,
  EncodeThread,
  LogPipeline,
  LogSampling,
  type LogSink,
  type LogStream,
  loadZstd,
  type OverflowPolicy,
  SchemaArchive,
  SchemaBook,
  SpillDirectory,
  type StreamSettings,
  type Zstd,
} from '@inferflow/logging';
import { createParquetSink, type ParquetSinkOptions } from '@inferflow/logging/file';
import { createKafkaSink, type KafkaCompression, type KafkaSasl } from '@inferflow/logging/kafka';
import { LogTaps } from '@inferflow/logging/scoring';
import { createStdoutSink } from '@inferflow/logging/stdout';
import type { Telemetry } from '@inferflow/telemetry';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';
import { type ServerLogger, standardLines } from './logger.js';
import { PemFiles } from './pem-files.js';
import { createScoringPipeline, scoringHeaders } from './scoring-logging.js';

/** Inference logging of a server. */
export interface ServerLogging {
  /** For the engine; null when there is nowhere to log to. */
  readonly tap: LogTap | null;
  readonly schemas: SchemaBook;
  /** Takes over log settings and schemas. */
  applySnapshot(snapshot: ConfigSnapshot): void;
  /** Delivers what is queued, for a limited time. */
  close(graceMs: number): Promise<void>;
}

/** What logging needs besides the environment. */
export interface ServerLoggingParts {
  readonly telemetry: Telemetry;
  readonly logger: ServerLogger;
  /** Whether this process writes the log schemas that are kept over restarts; otherwise it only reads them. */
  readonly keepsState: boolean;
}

/**
 * Sinks and pipeline as the environment says. A broker that is away does not keep the server from starting.
 * @throws ServerStartError that lists what is wrong
 */
export async function createServerLogging(environment: Environment, parts: ServerLoggingParts): Promise<ServerLogging> {
  const { telemetry, logger, keepsState } = parts;
  const schemas = new SchemaBook();
  const restored = restoreSchemas(environment, schemas, logger);
  const archive = keepsState ? restored : null;
  const hot: HotSettings = { loggingType: '', isCompressed: false, zstd: null, warnings: [] };
  const problems: string[] = [];
  let pipeline: LogPipeline | null = null;
  const files: FileReports = {
    onWritten: (modelConfigId, rows) => pipeline?.rowsWritten(modelConfigId, rows, 'file'),
    onLost: (modelConfigId, rows, reason) => pipeline?.rowsLost(modelConfigId, rows, reason, 'file'),
  };
  const streams = await createStreams(environment, logger, hot, files, problems);
  const always = alwaysRules(environment.list('INFERFLOW_LOG_ALWAYS'), problems);
  const scoring = await createScoringPipeline(environment, {
    telemetry,
    logger,
    policy: environment.text('INFERFLOW_LOG_POLICY') as OverflowPolicy,
    always,
    settings: () => ({ format: 'proto', isCompressed: hot.isCompressed && hot.zstd !== null, zstd: hot.zstd }),
    createKafka: (brokers) => kafkaSink(environment, brokers, logger, problems),
    problems,
  });
  if (problems.length > 0) throw new ServerStartError('ENVIRONMENT_INVALID', problems);
  if (streams.length > 0) {
    pipeline = new LogPipeline({
      streams,
      schemas,
      telemetry,
      sampling: new LogSampling({ rules: always }),
      captureBytes: environment.number('INFERFLOW_LOG_QUEUE_BYTES'),
      thread: environment.boolean('INFERFLOW_LOG_THREAD') ? createEncodeThread(logger) : null,
    });
  }
  return {
    tap: scoring === null ? pipeline : new LogTaps({ inference: pipeline, scoring, headerNames: scoringHeaders(environment) }),
    schemas,
    applySnapshot(snapshot) {
      for (const { config } of snapshot.models.values()) {
        if (config === null) continue;
        const schema = schemas.add(config);
        archive?.save(schema);
      }
      applySettings(hot, snapshot, streams, logger);
    },
    async close(graceMs) {
      const areComplete = await Promise.all([pipeline?.close(graceMs), scoring?.close(graceMs), archive?.close()]);
      if (areComplete.includes(false))
        logger.warn({}, 'not every inference log could be delivered; see inferflow_logging_rows_dropped_total');
    },
  };
}

/** Log schemas of earlier processes, where the server may keep state. */
function restoreSchemas(environment: Environment, schemas: SchemaBook, logger: ServerLogger): SchemaArchive | null {
  const state = environment.text('INFERFLOW_STATE_DIR');
  if (state === undefined) return null;
  try {
    const archive = new SchemaArchive({
      directory: join(state, 'log-schemas'),
      onError: (error) => logger.warn({ err: error }, 'a log schema could not be kept or read back'),
    });
    archive.restore(schemas);
    return archive;
  } catch (error) {
    logger.warn({ err: error }, 'log schemas are not kept over a restart');
    return null;
  }
}

function createEncodeThread(logger: ServerLogger): EncodeThread {
  return new EncodeThread({
    onEnded: (error) =>
      logger.error({ err: error }, 'the thread that encodes inference logs ended; they are encoded on the main thread now'),
  });
}

type FileReports = Required<Pick<ParquetSinkOptions, 'onWritten' | 'onLost'>>;

interface HotSettings {
  loggingType: StreamSettings['format'] | '';
  isCompressed: boolean;
  zstd: Zstd | null;
  /** Told about the settings in force. */
  warnings: readonly string[];
}

function applySettings(
  hot: HotSettings,
  { service, serviceProblems, models }: ConfigSnapshot,
  streams: readonly LogStream[],
  logger: ServerLogger,
): void {
  hot.loggingType = service.loggingType;
  hot.isCompressed = service.compressionEnabled;
  if (hot.isCompressed && hot.zstd === null) {
    loadZstd().then(
      (zstd) => {
        hot.zstd = zstd;
      },
      (error: unknown) => logger.warn({ err: error }, 'inference logs stay uncompressed'),
    );
  }
  const isWanted = [...models.values()].some(({ config }) => (config?.response.loggingPercent ?? 0) > 0);
  const warnings = serviceProblems.map(({ path, message }) => `service settings, ${path}: ${message}`);
  if (isWanted && service.loggingType !== '' && streams.length === 0)
    warnings.push(
      'models ask for inference logs, but there is nowhere to write them: set KAFKA_BOOTSTRAP_SERVERS and KAFKA_LOGGING_TOPIC, INFERFLOW_LOG_DIR or INFERFLOW_LOG_STDOUT',
    );
  if (isWanted && service.loggingType === '' && serviceProblems.length === 0 && streams.some(({ sink }) => sink.name === 'kafka'))
    warnings.push(
      'models ask for inference logs, but none go to Kafka: the service settings name no v2-logging-type (proto, arrow, parquet)',
    );
  // Told again only when something else is wrong.
  for (const warning of warnings) if (!hot.warnings.includes(warning)) logger.warn({ loggingType: service.loggingType }, warning);
  hot.warnings = warnings;
}

async function createStreams(
  environment: Environment,
  logger: ServerLogger,
  hot: HotSettings,
  files: FileReports,
  problems: string[],
): Promise<LogStream[]> {
  const streams: LogStream[] = [];
  const policy = oneOf(environment, 'INFERFLOW_LOG_POLICY', ['drop-newest', 'drop-oldest', 'spill'], problems) as OverflowPolicy;
  const spillDirectory = environment.text('INFERFLOW_LOG_SPILL_DIR');
  if (policy === 'spill' && spillDirectory === undefined) problems.push('INFERFLOW_LOG_POLICY=spill needs INFERFLOW_LOG_SPILL_DIR');
  const queueBytes = environment.number('INFERFLOW_LOG_QUEUE_BYTES');
  const brokers = environment.list('KAFKA_BOOTSTRAP_SERVERS');
  const topic = environment.text('KAFKA_LOGGING_TOPIC');
  if (brokers.length > 0 && topic === undefined && environment.text('INFERFLOW_SCORING_TOPIC') === undefined)
    logger.warn({}, 'KAFKA_BOOTSTRAP_SERVERS is set without KAFKA_LOGGING_TOPIC: no inference logs go to Kafka');
  if (brokers.length > 0 && topic !== undefined) {
    const sink = await kafkaSink(environment, brokers, logger, problems);
    const spill =
      policy === 'spill' && spillDirectory !== undefined
        ? new SpillDirectory({
            directory: spillDirectory,
            maxBytes: environment.number('INFERFLOW_LOG_SPILL_BYTES'),
            onDamaged: (bytes) => logger.error({ bytes }, 'part of the spilled inference logs could not be read back'),
          })
        : null;
    streams.push({
      sink,
      policy,
      spill,
      queueBytes,
      // A batch of one record carries some bytes of its own.
      maxRecordBytes: environment.number('INFERFLOW_LOG_MAX_RECORD_BYTES') - 512,
      settings: () => ({
        format: hot.loggingType === '' ? null : hot.loggingType,
        isCompressed: hot.isCompressed && hot.zstd !== null,
        zstd: hot.zstd,
      }),
      topicOf: topic.includes('{model}') ? ({ modelConfigId }) => topic.replaceAll('{model}', modelConfigId) : () => topic,
    });
  }
  const memoryPolicy: OverflowPolicy = policy === 'spill' ? 'drop-newest' : policy;
  const directory = environment.text('INFERFLOW_LOG_DIR');
  if (directory !== undefined) {
    const sink = await createParquetSink({
      directory,
      fileBytes: environment.number('INFERFLOW_LOG_FILE_BYTES'),
      intervalMs: environment.number('INFERFLOW_LOG_FILE_INTERVAL_MS'),
      ...files,
      onError: (error) => logger.error({ err: error }, 'a Parquet file of inference logs could not be written'),
    });
    streams.push(ownFormat(sink, 'arrow', queueBytes, memoryPolicy));
  }
  if (environment.boolean('INFERFLOW_LOG_STDOUT'))
    streams.push(ownFormat(createStdoutSink({ stream: standardLines() }), 'proto', queueBytes, memoryPolicy));
  return streams;
}

/** Sinks other than Kafka have a format of their own, whatever the service settings say. */
function ownFormat(sink: LogSink, format: 'proto' | 'arrow', queueBytes: number, policy: OverflowPolicy): LogStream {
  const settings: StreamSettings = { format, isCompressed: false, zstd: null };
  return { sink, policy, queueBytes, settings: () => settings, topicOf: ({ modelConfigId }) => modelConfigId, maxRecordBytes: 16 << 20 };
}

function kafkaSink(environment: Environment, brokers: readonly string[], logger: ServerLogger, problems: string[]): Promise<LogSink> {
  const caFile = environment.text('KAFKA_TLS_CA');
  const certFile = environment.text('KAFKA_TLS_CERT');
  const keyFile = environment.text('KAFKA_TLS_KEY');
  const pem = new PemFiles(environment, problems);
  pem.certificates('KAFKA_TLS_CA');
  pem.pair('KAFKA_TLS_CERT', 'KAFKA_TLS_KEY');
  if (problems.length > 0) throw new ServerStartError('ENVIRONMENT_INVALID', problems);
  const files = {
    ...(caFile !== undefined && { caFile }),
    ...(certFile !== undefined && { certFile }),
    ...(keyFile !== undefined && { keyFile }),
  };
  const username = environment.text('KAFKA_SASL_USERNAME');
  const mechanism = oneOf(
    environment,
    'KAFKA_SASL_MECHANISM',
    ['plain', 'scram-sha-256', 'scram-sha-512'],
    problems,
  ) as KafkaSasl['mechanism'];
  return createKafkaSink({
    brokers,
    clientId: environment.text('APP_NAME') ?? 'inferflow',
    tls: Object.keys(files).length > 0 ? files : environment.boolean('KAFKA_TLS'),
    ...(username !== undefined && { sasl: { mechanism, username, password: environment.text('KAFKA_SASL_PASSWORD') ?? '' } }),
    compression: oneOf(environment, 'KAFKA_COMPRESSION', ['none', 'gzip', 'snappy', 'lz4', 'zstd'], problems) as KafkaCompression,
    key: oneOf(environment, 'INFERFLOW_LOG_KEY', ['none', 'tracking_id', 'model'], problems) as 'none' | 'tracking_id' | 'model',
    maxBatchBytes: environment.number('INFERFLOW_LOG_MAX_RECORD_BYTES'),
    log: (level, fields, message) => logger[level](fields, message),
  });
}

function oneOf(environment: Environment, name: Parameters<Environment['text']>[0], allowed: readonly string[], problems: string[]): string {
  const value = (environment.text(name) ?? allowed[0] ?? '').toLowerCase();
  if (allowed.includes(value)) return value;
  problems.push(`${name}=${value}: expected ${allowed.join(', ')}`);
  return allowed[0] ?? '';
}

function alwaysRules(words: readonly string[], problems: string[]): AlwaysLogRules {
  let rules: AlwaysLogRules = {};
  for (const word of words) {
    const slow = /^slow:(\d+(?:\.\d+)?)(ms|s)?$/.exec(word);
    const header = /^header:([\w-]+)$/.exec(word);
    if (word === 'error') rules = { ...rules, onError: true };
    else if (word === 'degraded') rules = { ...rules, onDegraded: true };
    else if (slow !== null) rules = { ...rules, slowerThanMs: Number(slow[1]) * (slow[2] === 's' ? 1000 : 1) };
    else if (header !== null) rules = { ...rules, header: (header[1] as string).toLowerCase() };
    else problems.push(`INFERFLOW_LOG_ALWAYS: "${word}" is not known; expected error, degraded, slow:<time> or header:<name>`);
  }
  return rules;
}
