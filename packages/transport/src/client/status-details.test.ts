import { create, toBinary } from '@bufbuild/protobuf';
import { RpcStatusSchema } from '@inferflow/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStatusDetails } from './status-details.js';

const any = (typeUrl: string, ...value: number[]) => ({ typeUrl, value: Uint8Array.from(value) });
const encode = (...details: ReturnType<typeof any>[]) =>
  Buffer.from(toBinary(RpcStatusSchema, create(RpcStatusSchema, { code: 5, message: 'no', details })));

describe('parseStatusDetails', () => {
  it('reads types and values, padded or not, of the first value', () => {
    const bytes = encode(any('type.googleapis.com/google.rpc.ErrorInfo', 1, 2), any('x/y.Z'));
    const expected = [
      { type: 'google.rpc.ErrorInfo', value: Uint8Array.of(1, 2) },
      { type: 'y.Z', value: new Uint8Array(0) },
    ];
    expect(parseStatusDetails(bytes.toString('base64'))).toEqual(expected);
    expect(parseStatusDetails(bytes.toString('base64').replace(/=+$/, ''))).toEqual(expected);
    expect(parseStatusDetails(`${bytes.toString('base64')},${encode(any('a/b')).toString('base64')}`)).toEqual(expected);
  });

  it('keeps a bounded number', () => {
    const many = encode(...Array.from({ length: 5000 }, () => any('')));
    expect(parseStatusDetails(many.toString('base64'))).toHaveLength(100);
  });

  it('never throws', () => {
    expect(parseStatusDetails(null)).toEqual([]);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String()), (value) => {
        expect(Array.isArray(parseStatusDetails(value))).toBe(true);
      }),
    );
  });
});
