import { readFileSync } from 'node:fs';
import type { ServerTls } from '@inferflow/transport';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';

/**
 * Certificates of the listener, or undefined for plaintext.
 * @throws ServerStartError naming the variable whose file cannot be read
 */
export function listenerTls(environment: Environment): ServerTls | undefined {
  if (!environment.isSet('INFERFLOW_TLS_CERT')) return undefined;
  const read = (name: 'INFERFLOW_TLS_CERT' | 'INFERFLOW_TLS_KEY' | 'INFERFLOW_TLS_CLIENT_CA'): Buffer => {
    try {
      return readFileSync(environment.text(name)!);
    } catch (error) {
      throw new ServerStartError('LISTEN_FAILED', [`${name}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`], {
        cause: error,
      });
    }
  };
  return {
    cert: read('INFERFLOW_TLS_CERT'),
    key: read('INFERFLOW_TLS_KEY'),
    ...(environment.isSet('INFERFLOW_TLS_CLIENT_CA') && { ca: read('INFERFLOW_TLS_CLIENT_CA'), requestCert: true }),
  };
}
