import { describe, expect, it } from 'vitest';
import { authorityOf, parseEndpoint } from './endpoint.js';

describe('parseEndpoint', () => {
  it.each([
    ['model.svc', { host: 'model.svc', port: 8090 }],
    ['model.svc:9000', { host: 'model.svc', port: 9000 }],
    ['http://model.svc:9000/', { host: 'model.svc', port: 9000 }],
    ['[::1]', { host: '::1', port: 8090 }],
    ['[::1]:7', { host: '::1', port: 7 }],
    ['127.0.0.1:65535', { host: '127.0.0.1', port: 65535 }],
  ])('reads %s', (text, expected) => {
    expect(parseEndpoint(text, 8090)).toEqual(expected);
  });

  it.each(['', 'a b', 'host:0', 'host:65536', 'host:port', 'a:1:2', 'host/path'])('refuses %j', (text) => {
    expect(parseEndpoint(text, 8090)).toBeUndefined();
  });

  it('writes authorities that HTTP/2 accepts', () => {
    expect(authorityOf({ host: '::1', port: 1 })).toBe('[::1]:1');
    expect(authorityOf({ host: 'a', port: 1 })).toBe('a:1');
  });
});
