import { Code, ConnectError } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { type Turn, Turns } from '@inferflow/transport';

/** One that the RPC library knows. */
export type Compression = typeof compressionGzip;

/** As many as libuv has threads for them. */
const mostAtOnce = 4;

/**
 * The RPC library's compressions, decompressing few messages at a time: it would begin with all at once, and 4 KB may become 4 MB. Together
 * they take turns.
 * @param maxWaiting how many messages may wait. What waits is not known to belong to a call that has ended, so it is not bounded by the calls
 * in flight.
 */
export function boundedCompressions(
  maxWaiting: number,
  compressions: readonly Compression[] = [compressionGzip, compressionBrotli],
): Compression[] {
  const turns = new Turns(mostAtOnce);
  return compressions.map((compression) => ({
    ...compression,
    decompress: (bytes, readMaxBytes) => {
      if (turns.waiting >= maxWaiting) return Promise.reject(new ConnectError(tooManyText, Code.ResourceExhausted));
      return inTurn(turns, () => compression.decompress(bytes, readMaxBytes));
    },
  }));
}

const tooManyText = 'the server works on as many compressed requests as it takes';

function inTurn<T>(turns: Turns, run: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const turn: Turn = {
      begin: () => {
        // Also when it throws instead of rejecting.
        Promise.resolve()
          .then(run)
          .then(resolve, reject)
          .finally(() => turns.over(turn));
      },
    };
    turns.add(turn);
  });
}
