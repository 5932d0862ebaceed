import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admin, Kafka } from 'kafkajs';

const script = join(import.meta.dirname, '../../../../scripts/services/kafka.sh');
const { Kafka: Client, logLevel } = createRequire(import.meta.url)('kafkajs') as typeof import('kafkajs');

/** Whether tests with a real Kafka can run; says so aloud when they cannot. With INFERFLOW_REQUIRE_SERVICES set they run and fail. */
export function hasRealKafka(): boolean {
  if (process.env.INFERFLOW_REQUIRE_SERVICES !== undefined && process.env.INFERFLOW_REQUIRE_SERVICES !== '') return true;
  const isFound = spawnSync(script, ['find']).status === 0;
  if (!isFound) {
    console.error('\n*** NO KAFKA FOUND: the tests with a real Kafka are SKIPPED. Install one: scripts/services/kafka.sh install ***\n');
  }
  return isFound;
}

/** A real Kafka on loopback, and the client's tools to look at it. */
export class RealKafka {
  readonly directory = mkdtempSync(join(tmpdir(), 'inferflow-kafka-'));
  readonly variables: Readonly<Record<string, string>>;
  readonly client: Kafka;
  readonly admin: Admin;

  constructor(...options: readonly string[]) {
    const output = execFileSync(script, ['start', this.directory, ...options], { encoding: 'utf8' });
    this.variables = Object.fromEntries(
      output
        .split('\n')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    this.client = new Client({ brokers: this.brokers, logLevel: logLevel.NOTHING });
    this.admin = this.client.admin();
  }

  get brokers(): string[] {
    return (this.variables.KAFKA_BROKERS ?? '').split(',');
  }

  /** Brokers that want TLS and a password. */
  get secureBrokers(): string[] {
    return (this.variables.KAFKA_SASL_SSL_BROKERS ?? '').split(',');
  }

  /** A topic whose partitions have leaders. */
  async createTopic(topic: string, numPartitions = 1, config: Readonly<Record<string, string>> = {}): Promise<void> {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    await this.admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }], waitForLeaders: true });
  }

  async stop(): Promise<void> {
    await this.admin.disconnect();
    execFileSync(script, ['stop', this.directory]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}
