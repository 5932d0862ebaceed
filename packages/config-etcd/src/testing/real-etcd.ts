import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3, type IOptions } from 'etcd3';

const script = join(import.meta.dirname, '../../../../scripts/services/etcd.sh');

/** Whether tests with a real etcd can run; says so aloud when they cannot. With INFERFLOW_REQUIRE_SERVICES set they run and fail. */
export function hasRealEtcd(): boolean {
  if (process.env.INFERFLOW_REQUIRE_SERVICES !== undefined && process.env.INFERFLOW_REQUIRE_SERVICES !== '') return true;
  const isFound = spawnSync(script, ['find']).status === 0;
  if (!isFound) {
    console.error('\n*** NO ETCD FOUND: the tests with a real etcd are SKIPPED. Install one: scripts/services/etcd.sh install ***\n');
  }
  return isFound;
}

/** A real etcd on loopback and a client that writes to it. */
export class RealEtcd {
  readonly directory = mkdtempSync(join(tmpdir(), 'inferflow-etcd-'));
  readonly variables: Readonly<Record<string, string>>;
  readonly client: Etcd3;

  constructor(...options: readonly string[]) {
    const output = execFileSync(script, ['start', this.directory, ...options], { encoding: 'utf8' });
    this.variables = Object.fromEntries(output.split('\n').flatMap((line) => (line.includes('=') ? [splitOnce(line)] : [])));
    this.client = new Etcd3(this.#clientOptions());
  }

  get endpoints(): readonly string[] {
    return (this.variables.ETCD_ENDPOINTS ?? '').split(',');
  }

  /** Certificates for clients, undefined without TLS. */
  get tls(): { readonly ca: string; readonly cert: string; readonly key: string } | undefined {
    const { ETCD_CA: ca, ETCD_CERT: cert, ETCD_KEY: key } = this.variables;
    return ca === undefined || cert === undefined || key === undefined ? undefined : { ca, cert, key };
  }

  /** A command of the script, such as `kill`. */
  do(command: string, ...rest: readonly string[]): string {
    return execFileSync(script, [command, this.directory, ...rest], { encoding: 'utf8' }).trim();
  }

  /** One call of the JSON API, as root. */
  api(path: string, body: unknown): unknown {
    return JSON.parse(this.do('api', path, JSON.stringify(body)));
  }

  async put(key: string, value: string): Promise<void> {
    await this.client.put(key).value(value);
  }

  async delete(key: string): Promise<void> {
    await this.client.delete().key(key);
  }

  stop(): void {
    this.client.close();
    this.do('stop');
    rmSync(this.directory, { recursive: true, force: true });
  }

  #clientOptions(): IOptions {
    const user = this.variables.ETCD_USER;
    const { tls } = this;
    const read = (path: string): Buffer => execFileSync('cat', [path]);
    const noBreaker = {
      execute: (call: (context: unknown) => unknown) => call({}),
      onSuccess: () => undefined,
      onFailure: () => undefined,
    };
    return {
      hosts: [...this.endpoints],
      defaultCallOptions: () => ({ deadline: Date.now() + 3000 }),
      ...(user !== undefined && { auth: { username: user, password: this.variables.ETCD_PASSWORD ?? '' } }),
      ...(tls !== undefined && { credentials: { rootCertificate: read(tls.ca), certChain: read(tls.cert), privateKey: read(tls.key) } }),
      faultHandling: { host: () => noBreaker },
    } as unknown as IOptions;
  }
}

function splitOnce(line: string): [string, string] {
  const at = line.indexOf('=');
  return [line.slice(0, at), line.slice(at + 1)];
}
