import type { ModelStoreOptions } from '@inferflow/config-etcd';
import { readEnvironment, ServerStartError } from '@inferflow/server';
import { type Command, Option } from 'commander';
import { InputError } from '../config-input.js';

/** Flags that say where etcd is; each stands for the variable of the server that it overrides. */
export interface ConnectionFlags {
  readonly etcd?: string;
  readonly app?: string;
  readonly etcdUser?: string;
  readonly etcdPassword?: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdNamespace?: string;
  readonly etcdTimeout?: string;
}

const variables = {
  etcd: 'ETCD_SERVER',
  app: 'APP_NAME',
  etcdUser: 'ETCD_USERNAME',
  etcdPassword: 'ETCD_PASSWORD',
  etcdCa: 'ETCD_TLS_CA',
  etcdCert: 'ETCD_TLS_CERT',
  etcdKey: 'ETCD_TLS_KEY',
  etcdNamespace: 'ETCD_NAMESPACE',
  etcdTimeout: 'ETCD_DIAL_TIMEOUT',
} as const satisfies Record<keyof ConnectionFlags, string>;

/** Adds the flags to a command. */
export function withConnectionFlags(command: Command): Command {
  return command
    .addOption(new Option('--etcd <endpoints>', 'members, comma separated (ETCD_SERVER)'))
    .addOption(new Option('--app <name>', 'the service whose models these are (APP_NAME, else inferflow)'))
    .addOption(new Option('--etcd-user <name>', 'user at etcd (ETCD_USERNAME)'))
    .addOption(new Option('--etcd-password <password>', 'password at etcd (better: ETCD_PASSWORD)'))
    .addOption(new Option('--etcd-ca <file>', 'who signs the certificates of etcd (ETCD_TLS_CA)'))
    .addOption(new Option('--etcd-cert <file>', 'own certificate (ETCD_TLS_CERT)'))
    .addOption(new Option('--etcd-key <file>', 'its key (ETCD_TLS_KEY)'))
    .addOption(new Option('--etcd-namespace <prefix>', 'put in front of every key (ETCD_NAMESPACE)'))
    .addOption(new Option('--etcd-timeout <ms>', 'deadline of one call to etcd (ETCD_DIAL_TIMEOUT, else 5000)'));
}

/** Variables of a process. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** True if flags or variables say where etcd is. */
export function namesEtcd(flags: ConnectionFlags, variablesOfProcess: Variables): boolean {
  return environmentOf(flags, variablesOfProcess).list('ETCD_SERVER').length > 0;
}

/**
 * Where etcd is, read as the server reads it, flags first.
 * @throws InputError naming everything that is wrong
 */
export function connectionOptions(flags: ConnectionFlags, variablesOfProcess: Variables): ModelStoreOptions {
  const environment = environmentOf(flags, variablesOfProcess);
  const endpoints = environment.list('ETCD_SERVER');
  if (endpoints.length === 0) throw new InputError('no etcd: give --etcd http://host:2379, or set ETCD_SERVER');
  const appName = appNameIn(environment);
  const [ca, cert, key] = (['CA', 'CERT', 'KEY'] as const).map((part) => environment.text(`ETCD_TLS_${part}`));
  const hasTls = ca !== undefined || cert !== undefined || key !== undefined;
  return {
    endpoints,
    appName,
    namespace: environment.text('ETCD_NAMESPACE') ?? '',
    username: environment.text('ETCD_USERNAME'),
    password: environment.text('ETCD_PASSWORD'),
    tls: hasTls ? { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } : undefined,
    callTimeoutMs: environment.number('ETCD_DIAL_TIMEOUT'),
  };
}

/** The service whose models these are, where etcd is not asked. @throws InputError if it cannot be one */
export function appNameOf(flags: ConnectionFlags, variablesOfProcess: Variables): string {
  return appNameIn(environmentOf(flags, variablesOfProcess));
}

function appNameIn(environment: ReturnType<typeof readEnvironment>): string {
  const appName = environment.text('APP_NAME') ?? '';
  if (/[/\s]/.test(appName))
    throw new InputError(`the name of the service is one segment of a key: ${JSON.stringify(appName)} cannot be one`);
  return appName;
}

function environmentOf(flags: ConnectionFlags, variablesOfProcess: Variables) {
  // Other settings of a server in this environment are none of this command's business.
  const relevant = Object.entries(variablesOfProcess).filter(([name]) => /^(?:etcd_|app_name$)/i.test(name));
  const source: Record<string, string | undefined> = Object.fromEntries(relevant);
  for (const [flag, name] of Object.entries(variables)) {
    const value = flags[flag as keyof ConnectionFlags];
    if (value === undefined) continue;
    source[name] = value;
    // The other spelling of the same setting would contradict the flag.
    if (name === 'ETCD_SERVER') for (const other of Object.keys(source)) if (/^etcd_endpoints$/i.test(other)) delete source[other];
  }
  try {
    return readEnvironment(source);
  } catch (error) {
    if (error instanceof ServerStartError) throw new InputError(error.problems.join('; '), { cause: error });
    throw error;
  }
}
