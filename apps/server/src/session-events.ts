import { Metric, type Telemetry } from '@inferflow/telemetry';
import type { SessionEvent } from '@inferflow/transport';
import type { ServerLogger } from './logger.js';

/** A client that does not know better tries again and again: one line says it, the next tells how many there were. */
const mismatchLogIntervalMs = 10_000;

const mismatchTexts = {
  tls: 'a client spoke TLS to this port, which speaks plaintext: it was refused; change the client, or set INFERFLOW_TLS_CERT and INFERFLOW_TLS_KEY',
  plaintext: 'a client spoke plaintext to this port, which speaks TLS: it was refused; change the client',
} as const;

/** Counts what happens to connections; what an operator should change is also a log line. */
export function sessionEvents(telemetry: Telemetry, logger: ServerLogger): (event: SessionEvent) => void {
  const open = { h1: telemetry.gauge(Metric.connections, { protocol: 'h1' }), h2: telemetry.gauge(Metric.connections, { protocol: 'h2' }) };
  const count = { h1: 0, h2: 0 };
  const resetLimits = telemetry.counter(Metric.sessionResets);
  const mismatches = { tls: { quietUntil: 0, suppressed: 0 }, plaintext: { quietUntil: 0, suppressed: 0 } };
  const mismatch = (client: 'tls' | 'plaintext'): void => {
    const state = mismatches[client];
    const now = performance.now();
    if (now < state.quietUntil) {
      state.suppressed++;
      return;
    }
    logger.warn(state.suppressed > 0 ? { suppressedLines: state.suppressed } : {}, mismatchTexts[client]);
    mismatches[client] = { quietUntil: now + mismatchLogIntervalMs, suppressed: 0 };
  };
  return (event) => {
    switch (event.kind) {
      case 'mismatch':
        mismatch(event.client);
        return;
      case 'opened':
        open[event.protocol].set(++count[event.protocol]);
        return;
      case 'closed':
        open[event.protocol].set(--count[event.protocol]);
        return;
      case 'reset-limit':
        resetLimits.add(1);
        logger.warn({ resets: event.resets }, 'a connection was ended: its client reset more streams than this Node allows');
        return;
      case 'error':
        logger.debug({ reason: event.message }, 'a connection ended in error');
        return;
      case 'aged':
        return;
    }
  };
}

/** Before 22.11 Node ends a session after about 1000 resets by its client, whatever the options say: callers who cancel much should know. */
export function warnOfResetLimit(nodeVersion: string, logger: ServerLogger): void {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  if (major > 22 || (major === 22 && minor >= 11)) return;
  logger.warn(
    { node: nodeVersion },
    'this Node ends a connection after about 1000 cancelled calls in a burst (33 a second are forgiven); callers that cancel often should spread over connections, or the server should run on Node 22.11 or newer',
  );
}
