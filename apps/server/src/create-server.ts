import { readFileSync } from 'node:fs';
import type { ConfigSnapshot } from '@inferflow/config';
import { createEngine, type Engine } from '@inferflow/engine';
import { collectProcessMetrics, createTelemetry, Metric, type Telemetry } from '@inferflow/telemetry';
import { type CallerCheck, createFileCallerCheck } from './auth.js';
import { createBackends } from './backends.js';
import { configSourceOf } from './config-source.js';
import { reportConfig } from './config-status.js';
import { StatusFile } from './config-status-file.js';
import { loadEmbedded } from './embedded.js';
import type { Environment } from './env.js';
import { Readiness } from './health.js';
import { createListeners } from './listeners.js';
import { withLocalModels } from './local-models-check.js';
import { SnapshotLog } from './log-snapshot.js';
import type { ServerLogger } from './logger.js';
import { createServerLogging } from './logging.js';
import { loadPlugins } from './plugins.js';
import { shutDown } from './shutdown.js';
import { adoptSpills } from './workers/adopt-spills.js';
import type { WorkerLink } from './workers/worker-link.js';

/** A listening server. */
export interface Server {
  /** The port it really listens on. */
  readonly port: number;
  /** The port of everything that a lean listener does not serve, `null` when there is none. */
  readonly fullPort: number | null;
  readonly engine: Engine;
  /** Not ready → drain delay → GOAWAY → requests in flight finish, bounded → upstreams closed. Safe to call twice. */
  shutdown(): Promise<void>;
}

/**
 * Starts everything: environment → backends → engine → one port. With a `link` it is one of several workers.
 * @throws ServerStartError that lists what is wrong
 */
export async function createServer(environment: Environment, logger: ServerLogger, link: WorkerLink | null = null): Promise<Server> {
  const opened: Closer[] = [];
  try {
    return await start(environment, logger, opened, link);
  } catch (error) {
    // What was started before the mistake came up must not go on behind the caller's back.
    for (const close of opened.reverse()) await Promise.resolve(close()).catch(() => {});
    throw error;
  }
}

type Closer = () => unknown;

async function start(environment: Environment, logger: ServerLogger, opened: Closer[], link: WorkerLink | null): Promise<Server> {
  for (const notice of environment.notices) logger.warn({}, notice);
  const telemetry = createServerTelemetry(environment);
  opened.push(() => telemetry.close());
  const embedded = await loadEmbedded(environment);
  opened.push(() => embedded.close(0));
  const registry = await loadPlugins(environment.list('INFERFLOW_PLUGINS'), process.cwd());
  const backends = createBackends(environment, embedded.services, telemetry, logger, embedded.isDemo);
  opened.push(() => backends.close(0));
  for (const description of [...embedded.descriptions, ...backends.descriptions]) logger.info({}, description);
  const callerCheck = createCallerCheck(environment, logger);

  const keepsState = link?.keepsState ?? true;
  const configuration = configSourceOf({ environment, embedded, telemetry, logger, keepsState });
  const configSource = withLocalModels(configuration.source, embedded.modelNames);
  const limits = {
    maxMessageBytes: environment.number('INFERFLOW_MAX_MESSAGE_BYTES'),
    maxTargets: environment.number('INFERFLOW_MAX_TARGETS'),
    maxSlates: environment.number('INFERFLOW_MAX_SLATES'),
    maxFeatures: environment.number('INFERFLOW_MAX_FEATURES'),
    maxInFlight: environment.number('INFERFLOW_MAX_IN_FLIGHT'),
  };
  if (link === null) adoptSpills(environment, 1, logger);
  const logging = await createServerLogging(environment, { telemetry, logger, keepsState });
  opened.push(() => logging.close(0));
  opened.push(() => configSource.close());
  const engine = await createEngine({
    configSource,
    backends,
    registry,
    telemetry,
    limits,
    logger,
    ...(logging.tap !== null && { logTap: logging.tap }),
    compat: environment.text('INFERFLOW_COMPAT') === 'go-1.0',
    featureCacheBytes: environment.number('IN_MEMORY_CACHE_SIZE_IN_BYTES'),
    shareFetches: environment.boolean('INFERFLOW_SHARE_FETCHES'),
    wasm: environment.boolean('INFERFLOW_WASM'),
    defaults: {
      deadlineMs: environment.number('INFERFLOW_DEFAULT_DEADLINE_MS'),
      reserveMs: environment.number('INFERFLOW_RESERVE_MS'),
      modelDeadlineMs: environment.number('EXTERNAL_SERVICE_PREDATOR_DEADLINE'),
      modelBatchSize: environment.number('INFERFLOW_MODEL_BATCH_SIZE'),
      featureParallelBatches: environment.number('INFERFLOW_FEATURE_STORE_PARALLEL'),
    },
  });
  opened.push(() => engine.close(0));
  const readiness = new Readiness(engine, configuration.canFallBehind ? configuration.status : null);
  const about = { service: environment.text('APP_NAME') ?? 'inferflow', version: serverVersion() };
  const reportNow = (): string => `${JSON.stringify(reportConfig(about, engine.snapshot, configuration))}\n`;
  const statusFile = statusFileOf(environment, reportNow, logger);
  opened.push(() => statusFile?.close());
  const snapshotLog = new SnapshotLog(configuration, logger, telemetry);
  const takeOver = (snapshot: ConfigSnapshot): void => {
    snapshotLog.snapshot(snapshot);
    logging.applySnapshot(snapshot);
    statusFile?.changed();
  };
  takeOver(engine.snapshot);
  engine.onSnapshot((snapshot) => {
    takeOver(snapshot);
    backends.releaseUnused(snapshot);
    readiness.changed();
  });
  configuration.onState(() => {
    snapshotLog.sourceChanged();
    statusFile?.changed();
  });

  const listeners = createListeners({
    environment,
    engine,
    readiness,
    telemetry,
    callerCheck,
    logger,
    limits,
    schemas: logging.schemas,
    about: { name: about.service, version: about.version },
    metricsParts: () => (link === null ? telemetry.prometheusParts() : link.metricsParts()),
    reportNow,
  });
  opened.push(() => listeners.close());
  const bound = await listeners.listen();
  const stopMetrics = collectProcessMetrics(telemetry);
  telemetry.gauge(Metric.buildInfo, { version: serverVersion(), node_version: process.versions.node }).set(1);
  link?.serve(telemetry, bound.port);
  const ports = bound.fullPort === null ? { port: bound.port } : { port: bound.port, fullPort: bound.fullPort };
  logger.info({ ...ports, config: configSource.description, ready: engine.ready, reason: engine.readyReason }, 'listening');
  let stopping: Promise<void> | undefined;
  return {
    port: bound.port,
    fullPort: bound.fullPort,
    engine,
    shutdown() {
      stopping ??= shutDown({
        environment,
        readiness,
        listeners,
        engine,
        logging,
        backends,
        embedded,
        telemetry,
        logger,
        statusFile,
        stopMetrics,
      });
      return stopping;
    },
  };
}

function statusFileOf(environment: Environment, content: () => string, logger: ServerLogger): StatusFile | null {
  const path = environment.text('INFERFLOW_STATUS_FILE');
  if (path === undefined) return null;
  return new StatusFile(path, content, (problem) => {
    if (problem === null) logger.info({ path }, 'the status file is written again');
    else logger.error({ path }, problem);
  });
}

function serverVersion(): string {
  // The same file from the sources and from what is built.
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return manifest.version;
}

function createServerTelemetry(environment: Environment): Telemetry {
  const host = environment.text('TELEGRAF_HOST');
  return createTelemetry({
    prometheus: true,
    statsd:
      host === undefined
        ? null
        : {
            host,
            port: environment.number('TELEGRAF_PORT'),
            env: environment.text('APP_ENV') ?? '',
            service: environment.text('APP_NAME') ?? '',
            samplingRate: environment.number('METRIC_SAMPLING_RATE'),
          },
  });
}

function createCallerCheck(environment: Environment, logger: ServerLogger): CallerCheck | null {
  const path = environment.text('INFERFLOW_AUTH_FILE');
  return path === undefined ? null : createFileCallerCheck(path, (problem) => logger.error({}, problem));
}
