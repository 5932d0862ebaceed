// The header blocks of an answer:
//
//   HEADERS  :status content-type [grpc-encoding] metadata …                            then DATA, then the trailers:
//   HEADERS  grpc-status [grpc-message] [grpc-status-details-bin] metadata …   END_STREAM
//
//   HEADERS  :status content-type grpc-status …                                END_STREAM, both in one: an answer of trailers only
import type { IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { parseGrpcStatus } from '../grpc-status.js';
import { connectionHeaders, forbiddenInValue, namePattern } from '../http2/header-rules.js';
import { headFailure, statusFailure } from './answer.js';

/** What a header block of an answer means. Made once per distinct block and shared by all streams that bring it. */
export interface AnswerHead {
  /** 0 when the block has no `:status`: trailers. */
  readonly httpStatus: number;
  readonly hasGrpcStatus: boolean;
  /** −1 when there is none, or it is no number. */
  readonly grpcStatus: number;
  /** The failure that `grpc-status` states; `null` when it says OK or nothing. */
  readonly statusFailure: CallFailure | null;
  /** The failure of headers that do not begin a gRPC answer. */
  readonly headFailure: CallFailure | null;
  /** False when the peer asked not to be retried. */
  readonly mayRetry: boolean;
  readonly isGzip: boolean;
  /** −1 when there is none. */
  readonly contentLength: number;
  /** The failure of a block that HTTP/2 forbids, or that is too long. */
  readonly malformed: CallFailure | null;
  /** Name, value, name, value … without the status line. */
  readonly fields: readonly string[];
}

/** Of these a second one is ignored; others are joined, as `node:http2` does. */
const singleValued = new Set(['content-type', 'date', 'etag', 'retry-after']);

/** Works out what a block means; see {@link AnswerHead}. */
export function digestAnswerHead(fields: readonly string[], isTooLong: boolean): AnswerHead {
  const headers: IncomingHttpHeaders & IncomingHttpStatusHeader = {};
  const regular: string[] = [];
  let problem = '';
  let httpStatus = 0;
  let isRegular = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (name.charCodeAt(0) === 0x3a) {
      if (isRegular) problem ||= 'a pseudo-header after other headers';
      else if (name !== ':status') problem ||= 'an unknown pseudo-header';
      else if (httpStatus !== 0 || !/^[1-9]\d\d$/.test(value)) problem ||= 'a bad :status';
      else headers[':status'] = httpStatus = Number(value);
      continue;
    }
    isRegular = true;
    regular.push(name, value);
    if (!namePattern.test(name)) problem ||= 'a bad header name';
    else if (connectionHeaders.has(name)) problem ||= 'a header of HTTP/1.1 connections';
    else if (forbiddenInValue.test(value)) problem ||= 'a bad header value';
    const known = headers[name];
    if (name === 'content-length' && (known !== undefined || !/^\d{1,15}$/.test(value))) problem ||= 'a bad content-length';
    if (known === undefined) headers[name] = value;
    else if (!singleValued.has(name)) headers[name] = `${String(known)}, ${value}`;
  }
  const pushback = headers['grpc-retry-pushback-ms'];
  return {
    httpStatus,
    hasGrpcStatus: headers['grpc-status'] !== undefined,
    grpcStatus: parseGrpcStatus(headers['grpc-status']),
    statusFailure: statusFailure(headers),
    headFailure: httpStatus === 0 ? null : headFailure(headers),
    mayRetry: pushback === undefined || pushback === '0',
    isGzip: headers['grpc-encoding'] === 'gzip',
    contentLength: Number(headers['content-length'] ?? -1),
    malformed: isTooLong
      ? createFailure('malformed', GrpcCode.RESOURCE_EXHAUSTED, 'the headers of the answer are longer than allowed')
      : problem === ''
        ? null
        : malformedFailure(problem),
    fields: regular,
  };
}

/** The failure of an answer whose stream breaks HTTP/2. */
export function malformedFailure(problem: string): CallFailure {
  return createFailure('malformed', GrpcCode.INTERNAL, `the answer breaks HTTP/2: ${problem}`);
}
