import { expect, it } from 'vitest';
import { loadEtcd3 } from './etcd3-connection.js';

const major = Number.parseInt(process.versions.node, 10);
const options = { username: undefined, password: undefined, tls: undefined, callTimeoutMs: 2000 };

it.runIf(major >= 26)('says what to do about a TLS endpoint that is an IP address where Node refuses it', async () => {
  const connect = await loadEtcd3(options);
  for (const endpoint of ['https://127.0.0.1:2379', 'https://[::1]:2379']) {
    const connection = connect(endpoint);
    await expect(connection.range('/config')).rejects.toMatchObject({ kind: 'tls', message: expect.stringContaining('host name') });
    connection.close();
  }
});

it('reaches for an endpoint that is an IP address without TLS', async () => {
  const connection = (await loadEtcd3(options))('http://127.0.0.1:1');
  await expect(connection.range('/config')).rejects.toMatchObject({ kind: 'unreachable' });
  connection.close();
});
