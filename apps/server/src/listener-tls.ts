import type { ServerTls } from '@inferflow/transport';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';
import { PemFiles } from './pem-files.js';

/**
 * Certificates of the listener, or undefined for plaintext.
 * @throws ServerStartError naming every variable whose file is not usable
 */
export function listenerTls(environment: Environment): ServerTls | undefined {
  if (!environment.isSet('INFERFLOW_TLS_CERT')) return undefined;
  const files = new PemFiles(environment);
  const pair = files.pair('INFERFLOW_TLS_CERT', 'INFERFLOW_TLS_KEY');
  const ca = files.certificates('INFERFLOW_TLS_CLIENT_CA');
  if (pair === undefined || files.problems.length > 0) throw new ServerStartError('LISTEN_FAILED', files.problems);
  return { ...pair, ...(ca !== undefined && { ca, requestCert: true }) };
}
