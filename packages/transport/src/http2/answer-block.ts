// The header blocks of answers, made once each:
//
//   88 1f 10 …     :status 200, content-type: literals, never indexed
//   10 0b grpc-status 01 30
//
// No field is ever added to the peer's dynamic table: its state can neither grow nor get out of step.
import { type GrpcStatus, SharedStatus, statusTrailers } from '../grpc-status.js';
import { literal } from './literal-field.js';
import { StaticIndex } from './static-table.js';

const status200 = Uint8Array.of(0x80 | StaticIndex.STATUS_200);

/** The block of an HTTP answer. */
export function answerBlock(httpStatus: number, headers: Readonly<Record<string, string>>): Uint8Array {
  const status = httpStatus === 200 ? status200 : literal(StaticIndex.STATUS_200, '', String(httpStatus));
  return new Uint8Array(Buffer.concat([status, ...fieldsOf(headers)]));
}

/** The trailers of a call that went well. */
export const okTrailers: Uint8Array = new Uint8Array(literal(0, 'grpc-status', '0'));

/** The one block of an answer that is a status alone. */
export function statusBlock(contentType: string, status: GrpcStatus, more: Readonly<Record<string, string>> = nothingMore): Uint8Array {
  if (!(status instanceof SharedStatus) || more !== nothingMore)
    return answerBlock(200, { 'content-type': contentType, ...statusTrailers(status), ...more });
  const made = status.made.get(contentType);
  if (made instanceof Uint8Array) return made;
  const block = answerBlock(200, { 'content-type': contentType, ...status.trailers });
  status.made.set(contentType, block);
  return block;
}

const nothingMore = Object.freeze({});

function fieldsOf(headers: Readonly<Record<string, string>>): Uint8Array[] {
  return Object.entries(headers).map(([name, value]) => literal(name === 'content-type' ? StaticIndex.CONTENT_TYPE : 0, name, value));
}
