import { gunzip } from 'node:zlib';
import { type CallFailure, createFailure } from './failure.js';
import { GrpcCode } from './grpc-code.js';
import { plainView } from './plain-view.js';

/**
 * Decompresses a gzip'd message off the event loop. `message` must stay as it is until `done` is called, which is never inside. Never more
 * than `maxBytes` are put out, whatever the message holds.
 * @param what what the message is, for the text of a failure
 */
export function inflateMessage(
  what: 'answer' | 'request',
  message: Uint8Array,
  maxBytes: number,
  done: (result: Uint8Array | CallFailure) => void,
): void {
  gunzip(message, { maxOutputLength: Math.max(maxBytes, 1) }, (error, inflated) => {
    if (error === null && inflated.length <= maxBytes) done(plainView(inflated));
    else if (error === null || ('code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')) {
      const text = `the ${what} is longer than the limit of ${maxBytes} bytes when decompressed`;
      done(createFailure('malformed', GrpcCode.RESOURCE_EXHAUSTED, text));
    } else done(createFailure('malformed', GrpcCode.INTERNAL, `the ${what} is not valid gzip`));
  });
}
