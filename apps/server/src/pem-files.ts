import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Environment } from './env.js';
import type { EnvName } from './env-table.js';

const certificateBlock = /-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END \1?CERTIFICATE-----/g;

/** Reads PEM files that variables name, and notes what is wrong with one: a wrong file is a problem of the start, not of the first caller. */
export class PemFiles {
  readonly problems: string[];
  readonly #environment: Environment;

  /** @param problems gets what is wrong, one sentence a file */
  constructor(environment: Environment, problems: string[] = []) {
    this.#environment = environment;
    this.problems = problems;
  }

  /** Certificates, at least one; undefined where the variable is not set, or when its file is not usable. */
  certificates(name: EnvName): Buffer | undefined {
    return this.#read(name, 'certificate', (bytes) => {
      const blocks = bytes.toString('latin1').match(certificateBlock);
      if (blocks === null) throw new Error('no BEGIN CERTIFICATE');
      for (const block of blocks) new X509Certificate(block);
    });
  }

  /** A certificate chain and its key. Undefined where the variables are not set, or when the files are not usable. */
  pair(certName: EnvName, keyName: EnvName): PemPair | undefined {
    let key: KeyObject | undefined;
    const cert = this.certificates(certName);
    const keyBytes = this.#read(keyName, 'private key', (bytes) => {
      key = createPrivateKey(bytes);
    });
    if (cert === undefined || keyBytes === undefined || key === undefined) return undefined;
    if (new X509Certificate(cert).checkPrivateKey(key)) return { cert, key: keyBytes };
    this.problems.push(`${keyName}: the file is not the key of the certificate in ${certName}`);
    return undefined;
  }

  #read(name: EnvName, what: string, parse: (bytes: Buffer) => unknown): Buffer | undefined {
    const path = this.#environment.text(name);
    if (path === undefined) return undefined;
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      this.problems.push(`${name}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
      return undefined;
    }
    try {
      parse(bytes);
      return bytes;
    } catch (error) {
      this.problems.push(`${name}: the file holds no ${what} in PEM that can be used (${(error as Error).message})`);
      return undefined;
    }
  }
}

/** What shows who one is. */
export interface PemPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}
