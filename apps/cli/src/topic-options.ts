import type { KafkaSasl, KafkaTls, TopicReaderOptions } from '@inferflow/logging/kafka';
import { type Command, Option } from 'commander';
import { InputError } from './config-input.js';
import { isoTime } from './iso-time.js';

/** Flags that say which part of which topic is read; passwords and certificates may come from the server's variables. */
export interface TopicFlags {
  readonly brokers?: string;
  readonly follow?: boolean;
  readonly from?: string;
  readonly fromOffset?: string;
  readonly partition?: string;
  readonly tls?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly saslMechanism?: string;
  readonly saslUser?: string;
}

/** Adds the flags to a command. */
export function withTopicFlags(command: Command): Command {
  const from = new Option('--from <place>', 'where to begin: an offset of every partition, a time (ISO), earliest or latest');
  return command
    .option('--brokers <list>', 'read a Kafka topic from these brokers (host:port, comma separated)')
    .addOption(from)
    .addOption(new Option('--from-offset <number>', 'the same as --from <offset>').hideHelp())
    .option('--partition <list>', 'only these partitions, comma separated')
    .option('--follow', 'go on with new records of the topic, until Ctrl-C')
    .option('--tls', 'speak TLS with the brokers (KAFKA_TLS)')
    .option('--tls-ca <file>', 'who signs their certificates (KAFKA_TLS_CA)')
    .option('--tls-cert <file>', 'own certificate (KAFKA_TLS_CERT)')
    .option('--tls-key <file>', 'its key (KAFKA_TLS_KEY)')
    .addOption(
      new Option('--sasl-mechanism <name>', 'how to show who we are (KAFKA_SASL_MECHANISM)').choices([
        'plain',
        'scram-sha-256',
        'scram-sha-512',
      ]),
    )
    .option('--sasl-user <name>', 'user at the brokers (KAFKA_SASL_USERNAME); the password comes from KAFKA_SASL_PASSWORD');
}

/** @throws InputError for flags that say which part of a topic, where a file is read */
export function refuseTopicFlags({ follow, from, fromOffset, partition }: TopicFlags): void {
  if (follow === true || from !== undefined || fromOffset !== undefined || partition !== undefined)
    throw new InputError('--follow, --from and --partition are for topics: name --brokers too');
}

/**
 * What to read, and how to get there.
 * @param sinceMs where to begin when no place is named
 * @throws InputError for flags that make no sense
 */
export function topicOptions(
  topic: string,
  flags: TopicFlags,
  sinceMs: number | undefined,
  variables: Readonly<Record<string, string | undefined>>,
): TopicReaderOptions {
  const brokers = (flags.brokers ?? '').split(',').filter((broker) => broker !== '');
  if (brokers.length === 0) throw new InputError('--brokers: expected host:port, several separated by commas');
  const from = placeOf(flags.from ?? flags.fromOffset) ?? (sinceMs === undefined ? undefined : { timeMs: sinceMs });
  const tls = tlsOf(flags, variables);
  const sasl = saslOf(flags, variables);
  return {
    brokers,
    topic,
    follow: flags.follow === true,
    ...(from !== undefined && { from }),
    ...(flags.partition !== undefined && { partitions: numbersOf(flags.partition) }),
    ...(tls !== undefined && { tls }),
    ...(sasl !== undefined && { sasl }),
  };
}

function placeOf(text: string | undefined): TopicReaderOptions['from'] {
  if (text === undefined || text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text)) return { offset: Number(text) };
  const timeMs = isoTime(text);
  if (timeMs === undefined)
    throw new InputError(`--from ${text}: expected an offset, a time such as 2026-01-31T12:00:00Z, earliest or latest`);
  return { timeMs };
}

function numbersOf(list: string): number[] {
  const numbers = list.split(',').map((text) => (/^\d+$/.test(text.trim()) ? Number(text) : Number.NaN));
  if (numbers.some(Number.isNaN)) throw new InputError(`--partition ${list}: expected numbers, separated by commas`);
  return numbers;
}

function tlsOf(flags: TopicFlags, variables: Readonly<Record<string, string | undefined>>): boolean | KafkaTls | undefined {
  const caFile = flags.tlsCa ?? variables.KAFKA_TLS_CA;
  const certFile = flags.tlsCert ?? variables.KAFKA_TLS_CERT;
  const keyFile = flags.tlsKey ?? variables.KAFKA_TLS_KEY;
  const files = { ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) };
  if (Object.keys(files).length > 0) return files;
  return flags.tls === true || /^(?:true|1)$/i.test(variables.KAFKA_TLS ?? '') ? true : undefined;
}

function saslOf(flags: TopicFlags, variables: Readonly<Record<string, string | undefined>>): KafkaSasl | undefined {
  const username = flags.saslUser ?? variables.KAFKA_SASL_USERNAME;
  if (username === undefined || username === '') return undefined;
  const mechanism = (flags.saslMechanism ?? variables.KAFKA_SASL_MECHANISM ?? 'plain').toLowerCase() as KafkaSasl['mechanism'];
  return { mechanism, username, password: variables.KAFKA_SASL_PASSWORD ?? '' };
}
