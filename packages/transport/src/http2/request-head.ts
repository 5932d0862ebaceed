// The fields of a request, as HPACK gives them: name, value, name, value …
//
//   :method :scheme :path [:authority]                                    pseudo-headers: first, once each, no others
//   content-type [grpc-timeout] [grpc-encoding] [te] [content-length]     looked at
//   metadata …                                                            kept, and looked at when somebody asks
import type { IncomingHttpHeaders } from 'node:http';
import { parseGrpcTimeout } from '../grpc-head.js';
import { connectionHeaders, forbiddenInValue, namePattern } from './header-rules.js';

/** What a header block of a request means. Made once per distinct block and shared by all streams that bring it. */
export interface RequestHead {
  /** What HTTP/2 forbids in the block as the head of a request; `''` when nothing. */
  readonly problem: string;
  /** What HTTP/2 forbids in the block as trailers of a request; `''` when nothing. */
  readonly trailersProblem: string;
  readonly isTooLong: boolean;
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  /** `grpc-encoding`; `''` when nothing is compressed. */
  readonly encoding: string;
  /** `Infinity` without a deadline, `NaN` when it is malformed. */
  readonly timeoutMs: number;
  /** −1 without one. */
  readonly contentLength: number;
  /** Name, value, name, value … */
  readonly fields: readonly string[];
}

const pseudoBits: Readonly<Record<string, number>> = { ':method': 1, ':scheme': 2, ':path': 4, ':authority': 8 };
const requiredBits = 7;
const connectForbidsBits = 6;
/** Of fields that mean one thing, the first counts. */
const singleFields = new Set(['authorization', 'content-type', 'proxy-authorization', 'user-agent']);

/** Works out what a block means; see {@link RequestHead}. The rules are those of RFC 9113 §8. */
export function digestRequestHead(fields: readonly string[], isTooLong: boolean): RequestHead {
  let problem = '';
  let seen = 0;
  let isRegular = false;
  let method = '';
  let path = '';
  let contentType = '';
  let encoding = '';
  let timeout: string | undefined;
  let contentLength = -1;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    if (forbiddenInValue.test(value)) problem ||= 'a bad header value';
    if (name.charCodeAt(0) === 0x3a) {
      const bit = pseudoBits[name] ?? 0;
      if (isRegular) problem ||= 'a pseudo-header after other headers';
      else if (bit === 0) problem ||= 'an unknown pseudo-header';
      else if ((seen & bit) !== 0) problem ||= 'a pseudo-header twice';
      seen |= bit;
      if (bit === 1) method = value;
      else if (bit === 4) path = value;
      continue;
    }
    isRegular = true;
    switch (name) {
      case 'content-type':
        contentType ||= value;
        break;
      case 'grpc-encoding':
        encoding ||= value;
        break;
      case 'grpc-timeout':
        // Two of them are joined, as everywhere, and that is no time.
        timeout = timeout === undefined ? value : `${timeout}, ${value}`;
        break;
      case 'te':
        if (value !== 'trailers' && value.toLowerCase() !== 'trailers') problem ||= 'a te header other than trailers';
        break;
      case 'content-length': {
        const length = /^\d{1,15}$/.test(value) ? Number(value) : -1;
        if (length < 0 || (contentLength >= 0 && contentLength !== length)) problem ||= 'a bad content-length';
        contentLength = length;
        break;
      }
      default:
        if (!namePattern.test(name)) problem ||= 'a bad header name';
        else if (connectionHeaders.has(name)) problem ||= 'a header of HTTP/1.1 connections';
    }
  }
  const trailersProblem = problem === '' && seen !== 0 ? 'a pseudo-header in trailers' : problem;
  if (method === '') problem ||= 'no :method';
  else if (method === 'CONNECT' && (seen & connectForbidsBits) !== 0) problem ||= 'CONNECT with :scheme or :path';
  else if (method !== 'CONNECT' && ((seen & requiredBits) !== requiredBits || path === '')) problem ||= 'no :scheme or no :path';
  return {
    problem,
    trailersProblem,
    isTooLong,
    method,
    path,
    contentType,
    encoding: encoding === 'identity' ? '' : encoding,
    timeoutMs: parseGrpcTimeout(timeout),
    contentLength,
    fields,
  };
}

/** The fields of a head as `node:http2` gives them; names that come twice are joined, unless they can mean one thing only. */
export function headersOf(fields: readonly string[]): IncomingHttpHeaders {
  const headers: Record<string, string> = Object.create(null);
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const known = headers[name];
    if (known !== undefined && singleFields.has(name)) continue;
    headers[name] = known === undefined ? fields[i + 1]! : `${known}, ${fields[i + 1]!}`;
  }
  return headers;
}
