import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { RawCaller } from '../testing/raw-caller.js';
import { block, headerFrames } from '../testing/wire.js';
import { digestRequestHead, headersOf } from './request-head.js';

const call = [':method', 'POST', ':scheme', 'http', ':path', '/a/b'] as const;

describe('digestRequestHead', () => {
  it.each([
    ['a call', call, ''],
    ['te in capitals, which is the same coding', [...call, 'te', 'Trailers'], ''],
    ['another te', [...call, 'te', 'gzip'], 'a te header other than trailers'],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'a:1'], ''],
    ['CONNECT with a path', [':method', 'CONNECT', ':authority', 'a:1', ':path', '/'], 'CONNECT with :scheme or :path'],
    ['CONNECT with a scheme', [':method', 'CONNECT', ':scheme', 'http', ':authority', 'a:1'], 'CONNECT with :scheme or :path'],
    ['no path', [':method', 'POST', ':scheme', 'http'], 'no :scheme or no :path'],
  ])('judges %s', (_what, fields, problem) => {
    expect(digestRequestHead(fields, false).problem).toBe(problem);
  });

  it('takes no time from two timeouts', () => {
    expect(digestRequestHead([...call, 'grpc-timeout', '1S'], false).timeoutMs).toBe(1000);
    expect(digestRequestHead([...call, 'grpc-timeout', '1S', 'grpc-timeout', '1S'], false).timeoutMs).toBeNaN();
  });
});

describe('headersOf', () => {
  it('gives fields that come twice as node:http2 does', async () => {
    const fields = [
      'authorization',
      'user-agent',
      'x-key',
      'grpc-timeout',
      'content-type',
      'proxy-authorization',
      'accept-encoding',
    ].flatMap((name) => [[name, 'first'] as const, [name, 'second'] as const]);
    const pseudo = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'a'],
    ] as const;
    const server = http2.createServer();
    const came = new Promise<http2.IncomingHttpHeaders>((resolve) => server.on('stream', (_stream, headers) => resolve(headers)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const caller = new RawCaller((server.address() as AddressInfo).port).greet();
    caller.write(headerFrames(1, block(...pseudo, ...fields), true));
    const expected = Object.fromEntries(Object.entries(await came));
    expect({ ...headersOf([...pseudo, ...fields].flat()) }).toEqual(expected);
    caller.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
});
