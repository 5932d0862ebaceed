import { readFileSync } from 'node:fs';
import { type ConfigSnapshot, type ModelConfig, parseModelConfig, parseServiceConfig } from '@inferflow/config';
import { createNoTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { readEnvironment } from './env.js';
import { createLogger } from './logger.js';
import { createServerLogging } from './logging.js';

const model = JSON.parse(readFileSync(new URL('../../../examples/movies/models/film-ranking.json', import.meta.url), 'utf8'));
model.response_config.logging_perc = 100;

function snapshotWith(settings: object): ConfigSnapshot {
  const { service, problems } = parseServiceConfig(settings);
  const config = parseModelConfig('film-ranking', model).config as ModelConfig;
  return { models: new Map([['film-ranking', { config }]]), service, serviceProblems: problems } as unknown as ConfigSnapshot;
}

async function start(environment: Readonly<Record<string, string>>) {
  const lines: { readonly level: string; readonly msg: string }[] = [];
  const logger = createLogger('INFO', 'test', { write: (line) => void lines.push(JSON.parse(line)) });
  const logging = await createServerLogging(readEnvironment(environment), { telemetry: createNoTelemetry(), logger, keepsState: true });
  return { logging, warnings: () => lines.splice(0).map(({ msg }) => msg) };
}

describe('createServerLogging', () => {
  it('warns, once, of settings under which nothing that was asked for is logged', async () => {
    const { logging, warnings } = await start({ KAFKA_BOOTSTRAP_SERVERS: '127.0.0.1:1', KAFKA_LOGGING_TOPIC: 'log' });
    logging.applySnapshot(snapshotWith({ 'v2-logging-type': 'avro' }));
    logging.applySnapshot(snapshotWith({ 'v2-logging-type': 'avro' }));
    expect(warnings()).toEqual([expect.stringContaining('$.v2-logging-type: unknown logging type "avro": nothing is logged')]);
    logging.applySnapshot(snapshotWith({ 'v2-logging-type': 'proto' }));
    expect(warnings()).toEqual([]);
    logging.applySnapshot(snapshotWith({}));
    expect(warnings()).toEqual([expect.stringContaining('none go to Kafka: the service settings name no v2-logging-type')]);
    await logging.close(0);
  });

  it('warns when there is nowhere to write', async () => {
    const { logging, warnings } = await start({});
    expect(logging.tap).toBeNull();
    logging.applySnapshot(snapshotWith({ 'v2-logging-type': 'arrow' }));
    expect(warnings()).toEqual([expect.stringContaining('there is nowhere to write them')]);
    await logging.close(0);
  });
});
