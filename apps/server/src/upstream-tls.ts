import type { TlsOptions } from '@inferflow/transport';
import type { Environment } from './env.js';
import { plainTextNames } from './env-relations.js';
import { PemFiles } from './pem-files.js';

/** Beginning of the names of an upstream's variables. */
export type UpstreamPrefix = keyof typeof plainTextNames;

/** TLS to an upstream, or null for plaintext. What is wrong with a file is added to the problems. */
export function upstreamTls(environment: Environment, prefix: UpstreamPrefix, problems: string[]): TlsOptions | null {
  const isTls = (['CA', 'CERT', 'KEY'] as const).some((part) => environment.isSet(`${prefix}_TLS_${part}`));
  if (!isTls && environment.boolean(plainTextNames[prefix])) return null;
  const files = new PemFiles(environment, problems);
  const ca = files.certificates(`${prefix}_TLS_CA`);
  return { ...(ca && { ca }), ...files.pair(`${prefix}_TLS_CERT`, `${prefix}_TLS_KEY`) };
}
