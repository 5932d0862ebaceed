import { createSnapshotStore, type SnapshotStore } from '@inferflow/config';
import { createEtcdSource, type EtcdSource, EtcdSourceError, type SourceStatus } from '@inferflow/config-etcd';
import { Metric, type Telemetry } from '@inferflow/telemetry';
import type { ConfigSourceParts, ServerConfigSource } from './config-source.js';
import { ServerStartError } from './errors.js';
import type { ServerLogger } from './logger.js';

const states = ['starting', 'live', 'stale'] as const;

/**
 * The configurations in etcd, as the environment says. Whether they are current is a log line, a metric and a detail of readiness;
 * a start without etcd serves what was stored, or waits for etcd without being ready.
 * @throws ServerStartError if a variable cannot be understood
 */
export function createEtcdConfigSource(parts: Omit<ConfigSourceParts, 'embedded'>): ServerConfigSource {
  const { environment, telemetry, logger } = parts;
  const [ca, cert, key] = (['CA', 'CERT', 'KEY'] as const).map((part) => environment.text(`ETCD_TLS_${part}`));
  const hasTls = ca !== undefined || cert !== undefined || key !== undefined;
  try {
    const source = createEtcdSource({
      endpoints: environment.list('ETCD_SERVER'),
      appName: environment.text('APP_NAME') ?? '',
      namespace: environment.text('ETCD_NAMESPACE') ?? '',
      username: environment.text('ETCD_USERNAME'),
      password: environment.text('ETCD_PASSWORD'),
      tls: hasTls ? { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } : undefined,
      callTimeoutMs: environment.number('ETCD_DIAL_TIMEOUT'),
      watch: environment.boolean('ETCD_WATCHER_ENABLED'),
      waitForFirst: false,
      store: storeOf(parts),
      onNotice: (notice) => logger.warn({ source: 'etcd' }, notice),
    });
    report(source, telemetry);
    source.onState((status) => {
      report(source, telemetry);
      logStatus(status, logger);
    });
    return {
      source,
      kind: 'etcd',
      canFallBehind: true,
      status: () => source.status,
      position: () => source.position,
      retained: () => new Set(source.retained),
      onState: (listener) => void source.onState(listener),
    };
  } catch (error) {
    if (error instanceof EtcdSourceError) throw new ServerStartError('CONFIG_UNAVAILABLE', [error.message], { cause: error });
    throw error;
  }
}

function storeOf({ environment, telemetry, logger, keepsState }: Omit<ConfigSourceParts, 'embedded'>): SnapshotStore | undefined {
  const directory = environment.text('INFERFLOW_STATE_DIR');
  if (directory === undefined) return undefined;
  telemetry.gauge(Metric.configStoreFailed).set(0);
  return createSnapshotStore({
    directory,
    isReadOnly: !keepsState,
    onProblem(problem) {
      telemetry.gauge(Metric.configStoreFailed).set(problem === null ? 0 : 1);
      if (problem === null) logger.info({ directory }, 'the last good configuration is kept on disk again');
      else logger.error({ directory }, problem);
    },
  });
}

function report({ status, retained }: EtcdSource, telemetry: Telemetry): void {
  for (const state of states) telemetry.gauge(Metric.configSourceState, { state }).set(status.state === state ? 1 : 0);
  telemetry.gauge(Metric.configSourceStateTime).set(status.since / 1000);
  telemetry.gauge(Metric.configDataLoss).set(status.kind === 'data-loss' || retained.length > 0 ? 1 : 0);
}

function logStatus({ state, reason, kind }: SourceStatus, logger: ServerLogger): void {
  if (state === 'live') logger.info({ source: 'etcd', state, ...(reason !== '' && { reason }) }, 'configurations are current');
  else if (kind === 'data-loss')
    logger.error({ source: 'etcd', state, kind, reason }, 'etcd has lost data; what was served goes on serving');
  else logger.warn({ source: 'etcd', state, kind, reason }, 'configurations cannot be followed; what was served goes on serving');
}
