import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import { createLogger } from './logger.js';
import { UpstreamMonitor } from './upstream-monitor.js';

describe('UpstreamMonitor', () => {
  it('writes lines whose names are each there once, and counts what is open', async () => {
    const lines: string[] = [];
    const logger = createLogger('DEBUG', 'inferflow', { write: (line) => void lines.push(line) });
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const monitor = new UpstreamMonitor(telemetry, logger);
    const watch = monitor.watch('feature_store');
    const open = async () => /^inferflow_upstream_connections\{.*\} (\d+)$/m.exec(await telemetry.prometheusText())?.[1];
    watch.onEvent({ kind: 'connected', address: '10.0.0.1:80' });
    watch.onEvent({ kind: 'connected', address: '10.0.0.2:80' });
    expect(await open()).toBe('2');
    watch.onEvent({ kind: 'disconnected', address: '10.0.0.1:80', message: 'm', isRetired: true });
    expect(await open()).toBe('1');
    watch.onEvent({ kind: 'connected', address: '10.0.0.3:80' });
    expect(await telemetry.prometheusText()).not.toMatch(/^inferflow_upstream_reconnect_total\{/m);
    watch.onEvent({ kind: 'disconnected', address: '10.0.0.3:80', message: 'm', isRetired: false });
    watch.onEvent({ kind: 'connected', address: '10.0.0.3:80' });
    expect(await telemetry.prometheusText()).toMatch(/^inferflow_upstream_reconnect_total\{.*\} 1$/m);
    watch.onEvent({ kind: 'connect-failed', address: '10.0.0.3:80', message: 'm', retryInMs: 1 });
    watch.onEvent({ kind: 'resolve-failed', message: 'm' });
    watch.onEvent({ kind: 'set-aside', address: '10.0.0.3:80', forMs: 1 });
    watch.onEvent({ kind: 'restored', address: '10.0.0.3:80' });
    expect(lines).toHaveLength(10);
    for (const line of lines) {
      expect(line.split('"service":')).toHaveLength(2);
      expect(JSON.parse(line)).toMatchObject({ service: 'inferflow', upstream: 'feature_store' });
    }
    monitor.close();
    await telemetry.close();
  });
});
