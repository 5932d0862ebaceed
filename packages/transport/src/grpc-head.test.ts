import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrpcError, TransportError } from './errors.js';
import { failureReasonOf } from './failure.js';
import { GrpcCode, grpcCodeName, grpcCodeOfHttpStatus } from './grpc-code.js';
import { type CallHeadOptions, createCallHead, formatGrpcTimeout, parseGrpcTimeout } from './grpc-head.js';
import { decodeGrpcMessage, encodeGrpcMessage, parseGrpcStatus, statusTrailers } from './grpc-status.js';

describe('createCallHead', () => {
  it('sends values without blanks at their ends, for which peers drop the field', () => {
    const head = createCallHead({
      path: '/a.B/C',
      authority: 'h:1',
      metadata: [
        ['x-token', ' secret '],
        ['x-token', 'more '],
      ],
    });
    expect(head.headers['x-token']).toBe('secret,more');
  });

  it('is frozen and complete', () => {
    const head = createCallHead({ path: '/a.B/C', authority: 'h:1', metadata: [['x-a', '1']], acceptGzip: true });
    expect(head.headers).toEqual({
      ':method': 'POST',
      ':path': '/a.B/C',
      ':scheme': 'http',
      ':authority': 'h:1',
      te: 'trailers',
      'content-type': 'application/grpc',
      'grpc-accept-encoding': 'gzip',
      'x-a': '1',
    });
    expect(Object.isFrozen(head) && Object.isFrozen(head.headers)).toBe(true);
  });

  it.each([
    [{ path: 'a.B/C', authority: 'h' }],
    [{ path: '/a.B', authority: 'h' }],
    [{ path: '/a.B/C', authority: '' }],
    [{ path: '/a.B/C' } as CallHeadOptions],
    [{ path: '/a.B/C', authority: 'h', metadata: [['X-Upper', '1']] as const }],
    [{ path: '/a.B/C', authority: 'h', metadata: [['grpc-timeout', '1']] as const }],
    [{ path: '/a.B/C', authority: 'h', metadata: [[':path', '1']] as const }],
    [{ path: '/a.B/C', authority: 'h', metadata: [['te', '1']] as const }],
    [{ path: '/a.B/C', authority: 'h', metadata: [['x-a', 'secret\n']] as const }],
  ])('refuses %j', (options) => {
    expect(() => createCallHead(options)).toThrow(expect.objectContaining({ code: 'INFERFLOW_TRANSPORT_METADATA_INVALID' }));
    expect(() => createCallHead(options)).not.toThrow(/secret/);
  });
});

describe('grpc-timeout', () => {
  it('never grows on the way and keeps at least 1 µs', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (ms) => {
        const text = formatGrpcTimeout(ms);
        expect(text).toMatch(/^\d{1,8}[Smu]$/);
        expect(parseGrpcTimeout(text)).toBeLessThanOrEqual(Math.max(ms, 0.001) + 1e-9);
        expect(parseGrpcTimeout(text)).toBeGreaterThan(0);
        if (ms > 0.1 && ms < 1e8) expect(parseGrpcTimeout(text)).toBeGreaterThan(ms * 0.9 - 0.01);
      }),
    );
    for (const none of [-1, Number.NaN]) expect(formatGrpcTimeout(none)).toBe('1u');
  });

  it('knows every unit and refuses everything else', () => {
    expect(['1H', '2M', '3S', '4m', '5u', '6n', '00000009m'].map(parseGrpcTimeout)).toEqual([
      3_600_000, 120_000, 3000, 4, 0.005, 0.000006, 9,
    ]);
    expect(parseGrpcTimeout(undefined)).toBe(Number.POSITIVE_INFINITY);
    for (const bad of ['', 'm', '5', '5x', '-5m', '1.5S', ' 5m', '123456789m']) expect(parseGrpcTimeout(bad)).toBeNaN();
  });
});

describe('grpc-message and grpc-status', () => {
  it('survives any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (text) => {
        const encoded = encodeGrpcMessage(text);
        expect(encoded).toMatch(/^(?! )[\x20-\x7e]*(?<! )$/);
        expect(decodeGrpcMessage(encoded)).toBe(text);
      }),
    );
    expect(encodeGrpcMessage(' not found for id: ')).toBe('%20not found for id:%20');
    expect(decodeGrpcMessage('100% sure %zz')).toBe('100% sure %zz');
    expect(decodeGrpcMessage(undefined)).toBe('');
    expect(decodeGrpcMessage('50% of %zz: %E2%82%AC, %e2%82%ac%')).toBe('50% of %zz: €, €%');
    expect(decodeGrpcMessage('%FF%20x %E2%82')).toBe('\ufffd x \ufffd');
    expect(encodeGrpcMessage('x'.repeat(10_000))).toHaveLength(4096);
  });

  it('decodes what is left of a text that is too long', () => {
    const text = 'é '.repeat(5000);
    for (const encoded of [encodeURIComponent(text), encodeURIComponent(text).replaceAll('%20', ' ')])
      for (const before of ['', 'x', 'xx']) {
        const decoded = decodeGrpcMessage(before + encoded).slice(before.length);
        expect(text.startsWith(decoded.replace(/\ufffd$/, ''))).toBe(true);
        expect(decoded.length).toBeGreaterThan(2700);
      }
  });

  it('reads codes', () => {
    expect(['0', '5', '05', '16', '17'].map(parseGrpcStatus)).toEqual([0, 5, 5, 16, 2]);
    for (const none of ['', 'x', '-1', '00', '000000000', '0x5', undefined, ['1', '2']]) expect(parseGrpcStatus(none)).toBe(-1);
    expect(statusTrailers({ code: 3, message: '', details: new Uint8Array([8, 3]) })).toEqual({
      'grpc-status': '3',
      'grpc-status-details-bin': 'CAM=',
    });
    expect(grpcCodeName(14)).toBe('UNAVAILABLE');
    expect(grpcCodeName(99)).toBe('CODE_99');
  });

  it('maps HTTP statuses and reasons as gRPC does', () => {
    expect([400, 401, 403, 404, 429, 502, 503, 504, 500, 302].map(grpcCodeOfHttpStatus)).toEqual([13, 16, 7, 12, 14, 14, 14, 14, 2, 2]);
    const reasons = [
      GrpcCode.UNAVAILABLE,
      GrpcCode.DEADLINE_EXCEEDED,
      GrpcCode.CANCELLED,
      GrpcCode.RESOURCE_EXHAUSTED,
      GrpcCode.NOT_FOUND,
    ].map(failureReasonOf);
    expect(reasons).toEqual(['unavailable', 'deadline', 'cancelled', 'overloaded', 'rejected']);
  });
});

describe('errors', () => {
  it('are told apart by brand, not by constructor', () => {
    const error = new GrpcError(5, 'no such entity');
    expect(error).toMatchObject({ code: 'INFERFLOW_TRANSPORT_GRPC', grpcCode: 5, name: 'GrpcError' });
    expect(error instanceof TransportError && error instanceof GrpcError).toBe(true);
    expect(new TransportError('INFERFLOW_TRANSPORT_LISTEN', 'x') instanceof GrpcError).toBe(false);
    expect(new Error('x') instanceof TransportError).toBe(false);
  });
});
