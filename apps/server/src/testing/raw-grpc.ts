import type { ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import { gzipSync } from 'node:zlib';

/** A message in its frame: flag u8, length u32, bytes. */
export function framedAs(flag: number, body: Uint8Array): Buffer {
  const frame = Buffer.alloc(5 + body.length);
  frame[0] = flag;
  frame.writeUInt32BE(body.length, 1);
  frame.set(body, 5);
  return frame;
}

/** The same, gzip'd where that is asked for. */
export function framed(message: Uint8Array, isCompressed: boolean): Buffer {
  return isCompressed ? framedAs(1, gzipSync(message, { level: 1 })) : framedAs(0, message);
}

/** What came back for a call. */
export interface RawAnswer {
  /** Headers, and the trailers over them. */
  readonly head: IncomingHttpHeaders & IncomingHttpStatusHeader;
  readonly grpcMessage: string;
  readonly body: Buffer;
}

/** Sends a body as a gRPC call, whatever it is; rejects when the stream breaks. */
export function callRaw(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-request-id': 'same',
      ...headers,
    });
    const chunks: Buffer[] = [];
    let head: RawAnswer['head'] = {};
    stream.on('response', (said) => (head = said));
    stream.on('trailers', (trailers) => (head = { ...head, ...trailers }));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () =>
      // As grpc-js does: the escapes of what gRPC does not escape are shown.
      resolve({ head, grpcMessage: decodeURI(String(head['grpc-message'] ?? '')), body: Buffer.concat(chunks) }),
    );
    stream.end(body);
  });
}
