import { type ConfigSource, createDirectorySource } from '@inferflow/config';
import type { SourceStatus } from '@inferflow/config-etcd';
import { Metric, type Telemetry } from '@inferflow/telemetry';
import type { ServerLogger } from './logger.js';

/** A directory of configurations, and whether it can be followed. */
export interface FollowedDirectory {
  readonly source: ConfigSource;
  status(): SourceStatus;
  /** Calls back when the state has changed. */
  onState(listener: () => void): void;
}

/**
 * The configurations in a directory. That it is gone, or cannot be read, while the server runs is a log line and a metric; what was served
 * goes on serving, and the directory is taken up again by itself when it is back.
 */
export function followDirectory(directory: string, telemetry: Telemetry, logger: ServerLogger): FollowedDirectory {
  const listeners: (() => void)[] = [];
  let status: SourceStatus = { state: 'live', since: Date.now(), reason: '', kind: '' };
  const become = (state: 'live' | 'stale', reason: string): void => {
    status = { state, since: Date.now(), reason, kind: '' };
    report(status, telemetry);
    for (const listener of listeners) listener();
  };
  report(status, telemetry);
  return {
    source: createDirectorySource({
      directory,
      onError(error) {
        logger.error({ directory, reason: reasonOf(error) }, 'configurations cannot be followed; what was served goes on serving');
        become('stale', error.message);
      },
      onRecovered() {
        logger.info({ directory }, 'configurations are followed again');
        become('live', '');
      },
    }),
    status: () => status,
    onState: (listener) => void listeners.push(listener),
  };
}

function report({ state, since }: SourceStatus, telemetry: Telemetry): void {
  for (const each of ['live', 'stale'] as const) telemetry.gauge(Metric.configSourceState, { state: each }).set(each === state ? 1 : 0);
  telemetry.gauge(Metric.configSourceStateTime).set(since / 1000);
}

/** What the system says: `ENOENT`, `EACCES`. */
function reasonOf(error: Error): string {
  const { cause } = error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : error.message;
}
