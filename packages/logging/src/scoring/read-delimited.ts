import { LoggingError } from '../errors.js';

/** A longer record is no record. */
const mostBytes = 1 << 28;

/**
 * Messages with their length in front, out of chunks as they come. A message is a view of memory of its own. What is cut at the end
 * (a process that was killed while it wrote) ends the list; `onCut` is told of how many bytes.
 * @throws LoggingError INFERFLOW_LOGGING_MESSAGE_INVALID for a length that cannot be
 */
export async function* readDelimited(
  chunks: AsyncIterable<Uint8Array>,
  onCut: (bytes: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (;;) {
      const head = readHead(bytes, at);
      if (head === null || head.from + head.length > bytes.length) break;
      yield bytes.subarray(head.from, head.from + head.length);
      at = head.from + head.length;
    }
    rest = bytes.subarray(at);
  }
  if (rest.length > 0) onCut(rest.length);
}

function readHead(bytes: Uint8Array, start: number): { readonly from: number; readonly length: number } | null {
  let length = 0;
  let scale = 1;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    length += (byte & 0x7f) * scale;
    scale *= 128;
    if (length > mostBytes) throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', 'not a file of ScoringLog messages');
    if (byte < 0x80) return { from: at + 1, length };
  }
  return null;
}
