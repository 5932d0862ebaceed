import { create, toBinary } from '@bufbuild/protobuf';
import { RpcStatusSchema } from '@inferflow/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStatusDetails } from './status-details.js';

const any = (typeUrl: string, ...value: number[]) => ({ typeUrl, value: Uint8Array.from(value) });
const encode = (...details: ReturnType<typeof any>[]) =>
  Buffer.from(toBinary(RpcStatusSchema, create(RpcStatusSchema, { code: 5, message: 'no', details })));

describe('parseStatusDetails', () => {
  it('reads message, types and values, padded or not, of the first value', () => {
    const bytes = encode(any('type.googleapis.com/google.rpc.ErrorInfo', 1, 2), any('x/y.Z'));
    const details = [
      { type: 'google.rpc.ErrorInfo', value: Uint8Array.of(1, 2) },
      { type: 'y.Z', value: new Uint8Array(0) },
    ];
    const expected = { message: 'no', details };
    expect(parseStatusDetails(bytes.toString('base64'))).toEqual(expected);
    expect(parseStatusDetails(bytes.toString('base64').replace(/=+$/, ''))).toEqual(expected);
    expect(parseStatusDetails(`${bytes.toString('base64')},${encode(any('a/b')).toString('base64')}`)).toEqual(expected);
  });

  it('keeps a bounded number, and as much of a long message', () => {
    const status = create(RpcStatusSchema, { message: 'x'.repeat(9000) });
    expect(parseStatusDetails(Buffer.from(toBinary(RpcStatusSchema, status)).toString('base64')).message).toBe('x'.repeat(4096));
    const many = encode(...Array.from({ length: 5000 }, () => any('')));
    expect(parseStatusDetails(many.toString('base64')).details).toHaveLength(100);
  });

  it('never throws', () => {
    expect(parseStatusDetails(null)).toEqual({ message: '', details: [] });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (value) => {
        expect(Array.isArray(parseStatusDetails(value).details)).toBe(true);
      }),
    );
  });
});
