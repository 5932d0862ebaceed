import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkModelConfig } from '@inferflow/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployedModel, StoreHarness } from '../testing/store-harness.js';
import { createStatusCommand } from './status-command.js';

let store: StoreHarness;
let server: Server;
let url = '';
let answer: { status: number; body: unknown } = { status: 200, body: {} };
let asked: Record<string, unknown> = {};

beforeEach(async () => {
  store = new StoreHarness();
  server = createServer((request, response) => {
    asked = { url: request.url, ...request.headers };
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  store.close();
  await new Promise((resolve) => server.close(resolve));
});

const film = deployedModel(['s']);
const hash = checkModelConfig('film', film).config?.hash ?? '';
const live = { id: 'film', state: 'live', reason: '', hash, revision: '2', since: '2026-01-01T00:00:00.000Z' };
const says = (...models: readonly object[]) => ({ service: {}, source: { state: 'live', reason: '' }, models });
const status = (...args: readonly string[]) => store.run(createStatusCommand, '--server', url, ...args);

describe('inferflow status', () => {
  it('is content when a server has what etcd has', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(film));
    answer = { status: 200, body: says(live) };
    const { code, out } = await status('--caller-id', 'me', '--token', 'secret');
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`= film +${url} +live +${hash} +${hash} +2 +2026-01-01`));
    expect(asked).toMatchObject({ url: '/config', 'inferflow-caller-id': 'me', 'inferflow-auth-token': 'secret' });
  });

  it.each([
    ['the server does not have it', says()],
    ['the server has another version', says({ ...live, hash: 'another' })],
    ['rejected; nothing serves', says({ ...live, state: 'rejected', liveHash: undefined })],
    [
      'rejected: bad shape; the last good version serves',
      says({ ...live, state: 'rejected', reason: 'bad shape; the last good version serves', liveHash: 'older' }),
    ],
    ['etcd does not have it', says(live, { ...live, id: 'other' })],
    ['its configurations are stale: etcd is down', { ...says(live), source: { state: 'stale', reason: 'etcd is down' } }],
  ])('says what differs: %s', async (expected, body) => {
    store.etcd.put(store.key('film'), JSON.stringify(film));
    answer = { status: 200, body };
    const { code, out } = await status();
    expect(out).toContain(expected);
    expect(code).toBe(1);
    const json = JSON.parse((await status('-f', 'json')).out);
    expect(json.same).toBe(false);
  });

  it('knows a version that cannot be read by the hash of its text', async () => {
    store.etcd.put(store.key('film'), '{');
    answer = { status: 200, body: says({ ...live, state: 'rejected', reason: 'not JSON', hash: '021fb596db81e6d0' }) };
    expect((await status()).out).toContain('rejected: not JSON');
  });

  it('says why a server could not be asked, and asks the others', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(film));
    answer = { status: 200, body: says(live) };
    const { code, out } = await status('--server', 'http://127.0.0.1:1', 'film');
    expect(out).toContain('! http://127.0.0.1:1: it cannot be reached: ECONNREFUSED');
    expect(out).toContain('= film');
    expect(code).toBe(1);
    answer = { status: 401, body: '' };
    expect((await status()).out).toContain('--token');
    answer = { status: 404, body: '' };
    expect((await status()).out).toContain('no /config');
    answer = { status: 200, body: [] };
    expect((await status()).out).toContain('not what /config answers');
  });

  it('shows what servers say when etcd is down, with the status for that', async () => {
    store.etcd.refusal = 'unreachable';
    answer = { status: 200, body: says(live) };
    const { code, out, error } = await status();
    expect(code).toBe(4);
    expect(out).toContain('film');
    expect(error).toContain('unreachable');
  });

  it('waits for servers to have what etcd has', async () => {
    store.etcd.put(store.key('film'), JSON.stringify(film));
    answer = { status: 200, body: says({ ...live, state: 'warming' }) };
    setTimeout(() => {
      answer = { status: 200, body: says(live) };
    }, 300);
    expect((await status('--wait', '5')).code).toBe(0);
  });

  it.each(['2500.5', '3000000000'])('takes any time to wait for a server: %s', async (timeout) => {
    store.etcd.put(store.key('film'), JSON.stringify(film));
    answer = { status: 200, body: says(live) };
    expect(await status('--timeout', timeout)).toMatchObject({ code: 0 });
  });

  it('says which certificate cannot be read, instead of blaming the server', async () => {
    expect(await status('--ca', '/nowhere.pem')).toMatchObject({ code: 2, out: '', error: expect.stringContaining('/nowhere.pem') });
  });

  it('needs a server', async () => {
    expect(await store.run(createStatusCommand)).toMatchObject({ code: 2, error: expect.stringContaining('INFERFLOW_SERVERS') });
    expect(await store.run(createStatusCommand, '--server', 'http://a b')).toMatchObject({
      code: 2,
      error: expect.stringContaining('http://host:port'),
    });
  });
});
