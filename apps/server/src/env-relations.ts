import type { EnvName } from './env-table.js';

/** What the rules between variables look at. */
export interface ReadVariables {
  isSet(name: EnvName): boolean;
  value(name: EnvName): unknown;
}

/** Upstreams that speak plaintext unless told otherwise, and the variable that tells. */
export const plainTextNames = {
  EXTERNAL_SERVICE_ONFS_FS: 'EXTERNAL_SERVICE_ONFS_FS_GRPC_PLAIN_TEXT',
  EXTERNAL_SERVICE_PREDATOR: 'EXTERNAL_SERVICE_PREDATOR_GRPC_PLAIN_TEXT',
  NUMERIX_CLIENT_V1: 'NUMERIX_CLIENT_V1_PLAINTEXT',
} as const;

const tlsPrefixes = ['ETCD', 'KAFKA', 'EXTERNAL_SERVICE_ONFS_FS', 'EXTERNAL_SERVICE_PREDATOR', 'NUMERIX_CLIENT_V1'] as const;
/** The variable that can say that a service is spoken to in plaintext, and its word for that. */
const saysPlainText: { readonly [prefix in (typeof tlsPrefixes)[number]]?: readonly [EnvName, boolean] } = {
  KAFKA: ['KAFKA_TLS', false],
  EXTERNAL_SERVICE_ONFS_FS: [plainTextNames.EXTERNAL_SERVICE_ONFS_FS, true],
  EXTERNAL_SERVICE_PREDATOR: [plainTextNames.EXTERNAL_SERVICE_PREDATOR, true],
  NUMERIX_CLIENT_V1: [plainTextNames.NUMERIX_CLIENT_V1, true],
};

/** Variables whose meaning depends on another, and the other is missing or says the opposite: nothing of it is passed over in silence. */
export function relationProblems({ isSet, value }: ReadVariables): string[] {
  const problems: string[] = [];
  const together = (left: EnvName, right: EnvName): void => {
    if (isSet(left) !== isSet(right)) problems.push(`${left} and ${right} go together: set both or none`);
  };
  if (isSet('ETCD_SERVER') && isSet('INFERFLOW_CONFIG_DIR'))
    problems.push('ETCD_SERVER and INFERFLOW_CONFIG_DIR are both set: model configurations come from one place; unset one of them');
  together('INFERFLOW_TLS_CERT', 'INFERFLOW_TLS_KEY');
  if (isSet('INFERFLOW_TLS_CLIENT_CA') && !isSet('INFERFLOW_TLS_CERT'))
    problems.push('INFERFLOW_TLS_CLIENT_CA is set and INFERFLOW_TLS_CERT is not: a listener without TLS asks nobody for a certificate');
  for (const prefix of tlsPrefixes) {
    const [ca, cert, key] = [`${prefix}_TLS_CA`, `${prefix}_TLS_CERT`, `${prefix}_TLS_KEY`] as const;
    together(cert, key);
    const file = [ca, cert, key].find(isSet);
    const [plainText, saysPlain] = saysPlainText[prefix] ?? [];
    if (file !== undefined && plainText !== undefined && isSet(plainText) && value(plainText) === saysPlain)
      problems.push(`${file} names a file for TLS and ${plainText}=${saysPlain} says plaintext; unset one of them`);
  }
  together('KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD');
  together('ETCD_USERNAME', 'ETCD_PASSWORD');
  const compat = value('INFERFLOW_COMPAT');
  if (compat !== undefined && compat !== 'go-1.0') problems.push('INFERFLOW_COMPAT: expected "go-1.0" or nothing');
  const client = value('INFERFLOW_UPSTREAM_CLIENT');
  if (client !== 'lean' && client !== 'node') problems.push('INFERFLOW_UPSTREAM_CLIENT: expected "lean" or "node"');
  if (isSet('INFERFLOW_FULL_PORT') && value('INFERFLOW_LEAN_LISTENER') !== true)
    problems.push('INFERFLOW_FULL_PORT is set and INFERFLOW_LEAN_LISTENER is not: without it APP_PORT serves everything; set both or none');
  const fullPort = value('INFERFLOW_FULL_PORT');
  if (fullPort !== undefined && fullPort !== 0 && fullPort === value('APP_PORT'))
    problems.push('INFERFLOW_FULL_PORT and APP_PORT are the same port');
  return problems;
}
