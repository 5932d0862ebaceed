import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { RetryInfoSchema, RpcStatusSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { retryLater } from './retry-later.js';

describe('retryLater', () => {
  it.each([1, 100, 999])('writes a google.rpc.Status with a RetryInfo of %i ms', (ms) => {
    const status = retryLater(8, `the server works on ${'many '.repeat(40)}calls`, ms);
    const decoded = fromBinary(RpcStatusSchema, status.details ?? new Uint8Array());
    expect(decoded).toMatchObject({ code: 8, message: status.message });
    const [detail] = decoded.details;
    expect(detail === undefined ? undefined : anyUnpack(detail, RetryInfoSchema)?.retryDelay).toMatchObject({
      seconds: 0n,
      nanos: ms * 1_000_000,
    });
    expect(status.retryAfterMs).toBe(ms);
  });
});
