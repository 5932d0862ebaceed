import type { ClientError } from '@inferflow/client';
import { toJson } from './json-text.js';

/** gRPC status names by number. */
const statusNames =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

/** What to look at next, by the kind of failure. */
const hints: Readonly<Record<string, string>> = {
  DEADLINE_EXCEEDED: 'give it more time with --deadline-ms, or look at /metrics of the server for what is slow',
  UNAVAILABLE: 'is the server running there (--server), does it speak TLS (https://…), is it ready (/health/ready)?',
  UNAUTHENTICATED: 'give --caller-id and --token',
  FAILED_PRECONDITION: 'the server refused the configuration of the model: see its log, or run "inferflow lint" on it',
  UNIMPLEMENTED: 'the server has no such method: is it an Inferflow server?',
};

/** A call that failed, for people: what, the status, every place the server named, what to try. */
export function callFailureText(error: ClientError): string {
  const status = statusOf(error);
  const codes = [status, error.reason || error.code].filter((text) => text !== '');
  const hint = hints[status];
  const places = error.problems.map(({ path, message }) => `  ${path}: ${message}`);
  return [
    error.message,
    ...places,
    `  code: ${codes.join(', ')}`,
    ...(error.retryDelayMs === null ? [] : [`  may be sent again after ${error.retryDelayMs} ms`]),
    ...(error.trackingId === '' ? [] : [`  tracking id: ${error.trackingId}`]),
    ...(hint === undefined ? [] : [`  hint: ${hint}`]),
  ].join('\n');
}

/** The same for programs. */
export function callFailureJson(error: ClientError): string {
  const { code, grpcCode, reason, message, problems, retryDelayMs, trackingId } = error;
  return toJson({ error: { code, grpcCode, grpcStatus: statusOf(error), reason, message, problems, retryDelayMs, trackingId } });
}

function statusOf({ grpcCode }: ClientError): string {
  return grpcCode === null ? '' : (statusNames[grpcCode] ?? String(grpcCode));
}
