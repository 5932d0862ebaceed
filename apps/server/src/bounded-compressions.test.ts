import { createHook } from 'node:async_hooks';
import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import { compressionGzip } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { boundedCompressions } from './bounded-compressions.js';
import { startStockServer } from './testing/stock-server.js';

/** A compression whose work ends when it is told to. */
function heldCompression(name: string) {
  const running: { resolve: (bytes: Uint8Array<ArrayBuffer>) => void; reject: (error: Error) => void }[] = [];
  const decompress = () => new Promise<Uint8Array<ArrayBuffer>>((resolve, reject) => running.push({ resolve, reject }));
  return { running, compression: { ...compressionGzip, name, decompress } };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const codeOf = (error: unknown) => ConnectError.from(error).code;

describe('boundedCompressions', () => {
  it('decompresses few messages at a time, whatever they are compressed with, and refuses what too many wait before', async () => {
    const one = heldCompression('one');
    const other = heldCompression('other');
    const [first, second] = boundedCompressions(3, [one.compression, other.compression]);
    const ends: string[] = [];
    const begin = (which: typeof first, name: string) =>
      void which?.decompress(new Uint8Array(1), 10).then(
        () => ends.push(`${name} done`),
        (error) => ends.push(`${name} ${codeOf(error)}`),
      );
    for (const name of ['a', 'b', 'c']) begin(first, name);
    for (const name of ['d', 'e', 'f', 'g', 'h']) begin(second, name);
    await turn();
    expect([one.running.length, other.running.length, ends]).toEqual([3, 1, [`h ${Code.ResourceExhausted}`]]);
    one.running[0]?.resolve(new Uint8Array(0));
    one.running[1]?.reject(new ConnectError('no', Code.InvalidArgument));
    await turn();
    expect([other.running.length, ends.slice(1)]).toEqual([3, ['a done', `b ${Code.InvalidArgument}`]]);
    one.running[2]?.resolve(new Uint8Array(0));
    await turn();
    for (const { resolve } of other.running) resolve(new Uint8Array(0));
    await turn();
    expect(ends.slice(3)).toEqual(['c done', 'd done', 'e done', 'f done', 'g done']);
  });

  it('goes on after a compression that throws', async () => {
    const thrower = (): never => {
      throw new Error('broke');
    };
    const [broken] = boundedCompressions(100, [{ ...compressionGzip, decompress: thrower }]);
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => broken?.decompress(new Uint8Array(1), 10)));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('has the names, the results and the errors of the library', async () => {
    const bounded = boundedCompressions(10);
    expect(bounded.map(({ name }) => name)).toEqual(['gzip', 'br']);
    for (const each of bounded) {
      const packed = await each.compress(new Uint8Array(1000));
      expect(await each.decompress(packed, 1000)).toHaveLength(1000);
      expect(await each.decompress(new Uint8Array(0), 1000)).toHaveLength(0);
      expect(await each.decompress(packed, 999).catch(codeOf)).toBe(Code.ResourceExhausted);
    }
    expect(await bounded[0]?.decompress(new Uint8Array(gzipSync('x')).subarray(3), 9).catch(codeOf)).toBe(Code.InvalidArgument);
  });

  it('is what the stock server takes compressed requests with', async () => {
    const stock = await startStockServer({});
    let begun = 0;
    const hook = createHook({ init: (_id, type) => void (type === 'ZLIB' && begun++) }).enable();
    const packed = gzipSync(Buffer.alloc(4_000_000), { level: 9 });
    const headers = { 'content-type': 'application/grpc', 'grpc-encoding': 'gzip', te: 'trailers' };
    const session = http2.connect(`http://127.0.0.1:${stock.port}`);
    const begunBefore = begun;
    const begunAtAnswers: number[] = [];
    const answered = Array.from({ length: 40 }, () => {
      const stream = session.request({ ':method': 'POST', ':path': '/Predict/InferPointWise', ...headers });
      const head = Buffer.from([1, 0, 0, 0, 0]);
      head.writeUInt32BE(packed.length, 1);
      stream.end(Buffer.concat([head, packed]));
      stream.once('response', () => begunAtAnswers.push(begun - begunBefore));
      stream.resume();
      return new Promise((resolve) => stream.once('close', resolve));
    });
    await Promise.all(answered);
    hook.disable();
    session.destroy();
    await stock.close();
    // Begun together, all would have begun before the first is done.
    expect(begunAtAnswers).toHaveLength(40);
    expect(begunAtAnswers[0]).toBeLessThan(20);
  });
});
