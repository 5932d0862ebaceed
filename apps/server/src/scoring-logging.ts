import { join } from 'node:path';
import {
  type AlwaysLogRules,
  LogPipeline,
  LogSampling,
  type LogSink,
  type LogStream,
  type OverflowPolicy,
  SpillDirectory,
} from '@inferflow/logging';
import { createScoringFileSink, ScoringEncoder, UserIdentity, type UserIdForm } from '@inferflow/logging/scoring';
import { createStdoutSink } from '@inferflow/logging/stdout';
import type { Telemetry } from '@inferflow/telemetry';
import type { Environment } from './env.js';
import { type ServerLogger, standardLines } from './logger.js';

/** Where scoring logs are spilled, in the directory of all logs. */
export const scoringSpillFolder = 'scoring';

/** What scoring logs share with inference logs. */
export interface ScoringLogParts {
  readonly telemetry: Telemetry;
  readonly logger: ServerLogger;
  readonly policy: OverflowPolicy;
  readonly always: AlwaysLogRules;
  /** Compression as the service settings say, read for every request. */
  readonly settings: LogStream['settings'];
  /** A producer of its own: a topic that fails holds up no other. */
  createKafka(brokers: readonly string[]): Promise<LogSink>;
  readonly problems: string[];
}

/** Headers that say who may call: never logged. */
const secretHeaders = ['authorization', 'cookie', 'inferflow-auth-token', 'proxy-authorization'];

/** Full records (ScoringLog) to where the environment says; null where it says nothing. */
export async function createScoringPipeline(environment: Environment, parts: ScoringLogParts): Promise<LogPipeline | null> {
  const streams = await scoringStreams(environment, parts);
  const form = (environment.text('INFERFLOW_SCORING_USER_ID') ?? 'hash') as UserIdForm;
  if (!['hash', 'plain', 'omit'].includes(form)) parts.problems.push(`INFERFLOW_SCORING_USER_ID=${form}: expected hash, plain, omit`);
  for (const name of scoringHeaders(environment)) {
    if (secretHeaders.includes(name)) parts.problems.push(`INFERFLOW_SCORING_HEADERS: "${name}" holds a secret and is never logged`);
    if (name === 'user-id')
      parts.problems.push('INFERFLOW_SCORING_HEADERS: "user-id" is logged as INFERFLOW_SCORING_USER_ID says; leave it out');
  }
  const percent = environment.number('INFERFLOW_SCORING_PERCENT');
  if (streams.length === 0) {
    if (percent > 0)
      parts.problems.push(
        'INFERFLOW_SCORING_PERCENT needs a place: INFERFLOW_SCORING_TOPIC (with KAFKA_BOOTSTRAP_SERVERS), INFERFLOW_SCORING_DIR or INFERFLOW_SCORING_STDOUT',
      );
    return null;
  }
  const secret = environment.text('INFERFLOW_SCORING_USER_SECRET');
  const identity = new UserIdentity({
    form,
    columns: environment.list('INFERFLOW_SCORING_USER_COLUMNS'),
    ...(secret !== undefined && { secret }),
  });
  return new LogPipeline({
    streams,
    telemetry: parts.telemetry,
    sampling: new LogSampling({
      rules: parts.always,
      percentOf: ({ response }) => response.scoringLogPercent ?? percent,
      allowsAnonymous: true,
    }),
    captureBytes: environment.number('INFERFLOW_LOG_QUEUE_BYTES'),
    kind: 'scoring',
    createEncoder: (observer) => new ScoringEncoder(observer, identity),
  });
}

/** Headers that full records hold, in lower case. */
export function scoringHeaders(environment: Environment): readonly string[] {
  return environment.list('INFERFLOW_SCORING_HEADERS').map((name) => name.toLowerCase());
}

async function scoringStreams(environment: Environment, parts: ScoringLogParts): Promise<LogStream[]> {
  const { logger, policy, settings } = parts;
  const queueBytes = environment.number('INFERFLOW_LOG_QUEUE_BYTES');
  const memoryPolicy: OverflowPolicy = policy === 'spill' ? 'drop-newest' : policy;
  const perModel: LogStream['topicOf'] = ({ modelConfigId }) => modelConfigId;
  const streams: LogStream[] = [];
  const topic = environment.text('INFERFLOW_SCORING_TOPIC');
  const brokers = environment.list('KAFKA_BOOTSTRAP_SERVERS');
  if (topic !== undefined && brokers.length === 0) parts.problems.push('INFERFLOW_SCORING_TOPIC needs KAFKA_BOOTSTRAP_SERVERS');
  if (topic !== undefined && topic === environment.text('KAFKA_LOGGING_TOPIC'))
    parts.problems.push('INFERFLOW_SCORING_TOPIC and KAFKA_LOGGING_TOPIC are the same: readers of inference logs cannot read full records');
  if (topic !== undefined && brokers.length > 0) {
    const spillDirectory = environment.text('INFERFLOW_LOG_SPILL_DIR');
    streams.push({
      sink: await parts.createKafka(brokers),
      policy,
      spill:
        policy === 'spill' && spillDirectory !== undefined
          ? new SpillDirectory({
              directory: join(spillDirectory, scoringSpillFolder),
              maxBytes: environment.number('INFERFLOW_LOG_SPILL_BYTES'),
              onDamaged: (bytes) => logger.error({ bytes }, 'part of the spilled scoring logs could not be read back'),
            })
          : null,
      queueBytes,
      maxRecordBytes: environment.number('INFERFLOW_LOG_MAX_RECORD_BYTES') - 512,
      settings,
      topicOf: topic.includes('{model}') ? ({ modelConfigId }) => topic.replaceAll('{model}', modelConfigId) : () => topic,
    });
  }
  const directory = environment.text('INFERFLOW_SCORING_DIR');
  if (directory !== undefined) {
    const sink = createScoringFileSink({
      directory,
      fileBytes: environment.number('INFERFLOW_LOG_FILE_BYTES'),
      intervalMs: environment.number('INFERFLOW_LOG_FILE_INTERVAL_MS'),
      onError: (error) => logger.error({ err: error }, 'a file of scoring logs could not be written'),
    });
    streams.push({ sink, policy: memoryPolicy, queueBytes, settings, topicOf: perModel, maxRecordBytes: 16 << 20 });
  }
  if (environment.boolean('INFERFLOW_SCORING_STDOUT'))
    streams.push({
      sink: createStdoutSink({ stream: standardLines() }),
      policy: memoryPolicy,
      queueBytes,
      settings,
      topicOf: perModel,
      maxRecordBytes: 16 << 20,
    });
  return streams;
}
