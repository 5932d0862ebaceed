import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const main = join(import.meta.dirname, '../apps/server/dist/main.js');

/** The process of a server. `ended` is how it ended, and what it wrote until then. */
function serverProcess(env: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const child = spawn(process.execPath, [...args, main], { stdio: ['ignore', 'pipe', 'inherit'], env: { APP_PORT: '0', ...env } });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  return { child, ended: once(child, 'close').then(([code, signal]) => ({ code, signal, out })) };
}

// Runs what is built, as the README says.
describe.runIf(existsSync(main))('a server process', () => {
  it('ends at once by a signal while it loads', async () => {
    const signalled = "process.on('newListener', (name) => name === 'SIGTERM' && setImmediate(() => process.kill(process.pid, name)))";
    const { ended } = serverProcess({}, ['--import', `data:text/javascript,${signalled}`]);
    expect(await ended).toEqual({ code: 0, signal: null, out: '' });
  });

  it('ends at once by a signal while it starts', async () => {
    const silent = net.createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : null;
    const { child, ended } = serverProcess({ ETCD_SERVER: `http://127.0.0.1:${port}`, ETCD_DIAL_TIMEOUT: '600s' });
    await once(silent, 'connection');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, signal: null });
    silent.close();
  });
});
