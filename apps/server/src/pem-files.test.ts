import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readEnvironment } from './env.js';
import { listenerTls } from './listener-tls.js';
import { PemFiles } from './pem-files.js';
import { upstreamTls } from './upstream-tls.js';

const directory = mkdtempSync(join(tmpdir(), 'inferflow-pem-'));
afterAll(() => rmSync(directory, { recursive: true }));

const pem = (name: string) => fileURLToPath(new URL(`../../../packages/transport/src/testdata/${name}`, import.meta.url));
function file(name: string, text: string | Buffer): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** What is said of a certificate and a key. */
function problemsOf(cert: string, key: string): readonly string[] {
  const files = new PemFiles(readEnvironment({ KAFKA_TLS_CERT: cert, KAFKA_TLS_KEY: key }));
  const pair = files.pair('KAFKA_TLS_CERT', 'KAFKA_TLS_KEY');
  expect(pair === undefined).toBe(files.problems.length > 0);
  return files.problems;
}

describe('PEM files', () => {
  it('are taken when they are of each other, whatever stands around them', () => {
    expect(problemsOf(pem('server.pem'), pem('server.key'))).toEqual([]);
    const chain = file(
      'chain.pem',
      Buffer.concat([Buffer.from('# of the server\n'), readFileSync(pem('server.pem')), readFileSync(pem('ca.pem'))]),
    );
    expect(problemsOf(chain, pem('server.key'))).toEqual([]);
  });

  it.each([
    ['missing', pem('nobody.pem'), pem('server.key'), /^KAFKA_TLS_CERT: the file cannot be read \(ENOENT\)$/],
    ['a directory', directory, pem('server.key'), /^KAFKA_TLS_CERT: the file cannot be read \(EISDIR\)$/],
    [
      'DER',
      file('server.der', new X509Certificate(readFileSync(pem('server.pem'))).raw),
      pem('server.key'),
      /^KAFKA_TLS_CERT: the file holds no certificate/,
    ],
    [
      'damaged',
      file('cut.pem', `${readFileSync(pem('server.pem'))}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`),
      pem('server.key'),
      /^KAFKA_TLS_CERT: /,
    ],
    ['no certificate', pem('server.key'), pem('server.key'), /^KAFKA_TLS_CERT: the file holds no certificate/],
    ['no key', pem('server.pem'), pem('server.pem'), /^KAFKA_TLS_KEY: the file holds no private key/],
    ['the key of another', pem('server.pem'), pem('client.key'), /^KAFKA_TLS_KEY: .* not the key of the certificate in KAFKA_TLS_CERT$/],
  ])('are named with what is wrong: %s', (_what, cert, key, said) => {
    expect(problemsOf(cert, key)).toEqual([expect.stringMatching(said)]);
  });

  it('of the listener are all looked at before it starts', () => {
    const garbage = file('garbage.pem', 'garbage');
    const environment = readEnvironment({
      INFERFLOW_TLS_CERT: pem('server.pem'),
      INFERFLOW_TLS_KEY: garbage,
      INFERFLOW_TLS_CLIENT_CA: garbage,
    });
    expect(() => listenerTls(environment)).toThrow(/INFERFLOW_TLS_KEY: [\s\S]*INFERFLOW_TLS_CLIENT_CA: /);
  });

  it('of an upstream turn TLS on', () => {
    const tls = (source: Record<string, string>) => {
      const problems: string[] = [];
      const options = upstreamTls(readEnvironment(source), 'EXTERNAL_SERVICE_ONFS_FS', problems);
      return { options, problems };
    };
    expect(tls({})).toEqual({ options: null, problems: [] });
    expect(tls({ EXTERNAL_SERVICE_ONFS_FS_GRPC_PLAIN_TEXT: 'false' })).toEqual({ options: {}, problems: [] });
    const ca = readFileSync(pem('ca.pem'));
    expect(tls({ EXTERNAL_SERVICE_ONFS_FS_TLS_CA: pem('ca.pem') })).toEqual({ options: { ca }, problems: [] });
    expect(tls({ EXTERNAL_SERVICE_ONFS_FS_TLS_CA: pem('none') }).problems).toEqual([expect.stringContaining('ENOENT')]);
  });
});
