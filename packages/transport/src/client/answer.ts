import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import { type CallFailure, createFailure, failureReasonOf } from '../failure.js';
import { GrpcCode, grpcCodeOfHttpStatus } from '../grpc-code.js';
import { decodeGrpcMessage, parseGrpcStatus } from '../grpc-status.js';
import { isGrpcContentType } from '../is-grpc-content-type.js';
import { ReadState } from '../message-reader.js';
import { parseStatusDetails } from './status-details.js';

/** How much of a message has come, whoever reads it. */
export interface MessageProgress {
  /** True when nothing has arrived, not even a part of a frame head. */
  readonly isEmpty: boolean;
  /** Bytes of the message that arrived. */
  readonly received: number;
  /** Announced length. */
  readonly announced: number;
}

/** The failure that a block of headers or trailers states; `null` when it says OK or holds no status. */
export function statusFailure(headers: IncomingHttpHeaders): CallFailure | null {
  const code = parseGrpcStatus(headers['grpc-status']);
  if (code <= 0) return null;
  const message = textOf(headers['grpc-message']);
  // Some say it only there.
  const text = message === '' ? parseStatusDetails(textOf(headers['grpc-status-details-bin'])).message : decodeGrpcMessage(message);
  return createFailure(failureReasonOf(code), code, text);
}

function textOf(header: string | string[] | undefined): string {
  return typeof header === 'string' ? header : '';
}

/** The failure of an answer that is no gRPC answer; `null` when the headers are those of one. */
export function headFailure(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): CallFailure | null {
  const httpStatus = headers[':status'] ?? 0;
  if (httpStatus !== 200) {
    const code = grpcCodeOfHttpStatus(httpStatus);
    return createFailure(failureReasonOf(code), code, `the peer answered HTTP ${httpStatus} without a gRPC status`);
  }
  if (isGrpcContentType(headers['content-type'])) return null;
  return createFailure('malformed', GrpcCode.UNKNOWN, 'the peer answered with a content type that is not gRPC');
}

/** The failure of a body that broke the framing. */
export function bodyFailure(state: ReadState, reader: MessageProgress, maxBytes: number): CallFailure {
  switch (state) {
    case ReadState.TOO_LARGE:
      return createFailure(
        'malformed',
        GrpcCode.RESOURCE_EXHAUSTED,
        `the answer announces ${reader.announced} bytes, the limit is ${maxBytes}`,
      );
    case ReadState.SURPLUS:
      return createFailure('malformed', GrpcCode.INTERNAL, 'the answer holds more than one message');
    default:
      return createFailure('malformed', GrpcCode.INTERNAL, 'the answer does not start with a gRPC frame');
  }
}

/** The failure of an answer that ended with OK but without its message. */
export function incompleteFailure(reader: MessageProgress): CallFailure {
  const detail = reader.isEmpty ? 'holds no message' : `ends after ${reader.received} of ${reader.announced} message bytes`;
  return createFailure('malformed', GrpcCode.INTERNAL, `the answer ${detail}`);
}

/** The failure of a stream that the peer reset without a status; codes as HTTP/2 numbers them. */
export function resetFailure(rstCode: number): CallFailure {
  const message = `the peer reset the stream with HTTP/2 code ${rstCode}`;
  switch (rstCode) {
    case 0:
      return createFailure('malformed', GrpcCode.INTERNAL, 'the answer ended without a gRPC status');
    case 7:
    // Nobody here cancelled, or this would not be asked: the peer gave the call up. Node's servers end their streams so when they go.
    case 8:
      return createFailure('unavailable', GrpcCode.UNAVAILABLE, message);
    case 11:
      return createFailure('overloaded', GrpcCode.RESOURCE_EXHAUSTED, message);
    case 12:
    case 13:
      return createFailure('rejected', GrpcCode.PERMISSION_DENIED, message);
    default:
      return createFailure('unavailable', GrpcCode.INTERNAL, message);
  }
}
