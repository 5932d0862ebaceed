import type { Backends, ExpressionEngine } from '@inferflow/components';
import type { ConfigSnapshot } from '@inferflow/config';
import type { Telemetry } from '@inferflow/telemetry';
import { createUpstream, type Upstream } from '@inferflow/transport';
import { authorityOf, type Endpoint, localEndpoint, parseEndpoint } from './endpoint.js';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';
import type { ServerLogger } from './logger.js';
import { ModelBackends } from './model-backends.js';
import { type ServiceSettings, serviceBackend } from './service-backend.js';
import { UpstreamMonitor, type UpstreamWatch } from './upstream-monitor.js';
import { type UpstreamPrefix, upstreamTls } from './upstream-tls.js';

/** Services in this process, where a setting or an endpoint says `local`. */
export interface LocalServices {
  readonly featureStore: Upstream | null;
  readonly models: Upstream | null;
  readonly expressions: ExpressionEngine | null;
}

/** The backends of a server: remote by the environment, in process where it says `local`. */
export interface ServerBackends extends Backends {
  /** Closes, a while later, connections to model servers that no live model names any more. */
  releaseUnused(snapshot: ConfigSnapshot): void;
  close(graceMs: number): Promise<void>;
  /** One sentence a service, for the start-up log. */
  readonly descriptions: readonly string[];
}

/**
 * Wires the three services. An unset host is no backend: a model that needs it is refused with that reason.
 * @throws ServerStartError when a host is malformed, a TLS file is not usable, or `local` has nothing behind it
 */
export function createBackends(
  environment: Environment,
  local: LocalServices,
  telemetry: Telemetry,
  logger: ServerLogger,
  isDemo: boolean,
): ServerBackends {
  const problems: string[] = [];
  const descriptions: string[] = [];
  const open = new Map<Upstream, UpstreamWatch>();
  const monitor = new UpstreamMonitor(telemetry, logger);

  const connect = (service: string, endpoint: Endpoint, prefix: UpstreamPrefix): Upstream => {
    const watch = monitor.watch(service);
    const upstream = createUpstream({
      name: service,
      host: endpoint.host,
      port: endpoint.port,
      tls: upstreamTls(environment, prefix, problems),
      protocol: environment.text('INFERFLOW_UPSTREAM_CLIENT') === 'node' ? 'node' : 'lean',
      onEvent: watch.onEvent,
    });
    watch.upstream = upstream;
    open.set(upstream, watch);
    return upstream;
  };

  const single = (
    service: string,
    hostName: 'EXTERNAL_SERVICE_ONFS_FS_HOST' | 'NUMERIX_CLIENT_V1_HOST',
    prefix: UpstreamPrefix,
    inProcess: boolean,
  ): Endpoint | 'local' | null => {
    const text = environment.text(hostName) ?? (isDemo ? localEndpoint : undefined);
    if (text === undefined) {
      descriptions.push(`${service}: none (${hostName} is not set); models that need it are refused`);
      return null;
    }
    if (text === localEndpoint) {
      if (!inProcess) problems.push(`${hostName}=local, but nothing is configured to be embedded for it`);
      descriptions.push(`${service}: embedded in this process`);
      return 'local';
    }
    const portName = prefix === 'NUMERIX_CLIENT_V1' ? 'NUMERIX_CLIENT_V1_PORT' : 'EXTERNAL_SERVICE_ONFS_FS_PORT';
    const endpoint = parseEndpoint(text, environment.number(portName));
    if (endpoint === undefined) {
      problems.push(`${hostName}: expected host or host:port`);
      return null;
    }
    descriptions.push(`${service}: ${authorityOf(endpoint)}`);
    return endpoint;
  };

  const storeAt = single('feature store', 'EXTERNAL_SERVICE_ONFS_FS_HOST', 'EXTERNAL_SERVICE_ONFS_FS', local.featureStore !== null);
  const storeUpstream =
    storeAt === null ? null : storeAt === 'local' ? local.featureStore : connect('feature_store', storeAt, 'EXTERNAL_SERVICE_ONFS_FS');
  const featureStore =
    storeUpstream === null
      ? null
      : serviceBackend(storeUpstream, storeAt, {
          metadata: [
            ['online-feature-store-caller-id', environment.text('EXTERNAL_SERVICE_ONFS_FS_CALLER_ID') ?? ''],
            ['online-feature-store-auth-token', environment.text('EXTERNAL_SERVICE_ONFS_FS_CALLER_TOKEN') ?? ''],
          ],
          deadlineMs: environment.number('EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE'),
          batchSize: environment.number('EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE'),
        });

  const computeAt = single('compute service', 'NUMERIX_CLIENT_V1_HOST', 'NUMERIX_CLIENT_V1', local.expressions !== null);
  const compute =
    computeAt === null || computeAt === 'local'
      ? null
      : serviceBackend(connect('compute', computeAt, 'NUMERIX_CLIENT_V1'), computeAt, {
          metadata: [['numerix-caller-id', environment.text('APP_NAME') ?? '']],
          deadlineMs: environment.number('NUMERIX_CLIENT_V1_DEADLINE_MS'),
          batchSize: environment.number('NUMERIX_CLIENT_V1_BATCHSIZE'),
        });

  const modelMetadata: ServiceSettings['metadata'] = [
    ['predator-caller-id', environment.text('EXTERNAL_SERVICE_PREDATOR_CALLER_ID') ?? ''],
    ['predator-auth-token', environment.text('EXTERNAL_SERVICE_PREDATOR_CALLER_TOKEN') ?? ''],
  ];
  const modelSettings = {
    metadata: modelMetadata,
    deadlineMs: environment.number('EXTERNAL_SERVICE_PREDATOR_DEADLINE'),
    batchSize: environment.number('INFERFLOW_MODEL_BATCH_SIZE'),
  };
  const models = new ModelBackends({
    settings: modelSettings,
    defaultPort: environment.number('EXTERNAL_SERVICE_PREDATOR_PORT'),
    local: local.models,
    connect: (endpoint) => connect('model', endpoint, 'EXTERNAL_SERVICE_PREDATOR'),
    disconnect(upstream, graceMs) {
      const watch = open.get(upstream);
      open.delete(upstream);
      void upstream.close(graceMs).then(() => watch?.end());
    },
  });
  descriptions.push(
    local.models === null
      ? `models: remote, port ${environment.number('EXTERNAL_SERVICE_PREDATOR_PORT')} where an endpoint names none`
      : 'models: endpoint `local` is embedded in this process',
  );

  // Certificates are looked at now, so that a wrong file is a start-up problem and not one of the first model's.
  upstreamTls(environment, 'EXTERNAL_SERVICE_PREDATOR', problems);
  if (problems.length > 0) throw new ServerStartError('BACKEND_MISSING', problems);

  return {
    featureStore,
    compute,
    expressions: local.expressions,
    descriptions,
    model: (endpoint) => models.find(endpoint),
    releaseUnused: (snapshot) => models.releaseUnused(snapshot),
    async close(graceMs) {
      models.close();
      await Promise.all([...open.keys(), local.featureStore, local.models].map((upstream) => upstream?.close(graceMs)));
      monitor.close();
    },
  };
}
