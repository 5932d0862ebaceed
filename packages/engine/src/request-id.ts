/** Ids as proxies and tracing make them; anything else could be a value of the request, or break up a log line. */
const plausible = /^[A-Za-z0-9._:/+=@~-]{1,128}$/;

let generated = 0;
const prefix = Math.floor(Math.random() * 36 ** 5)
  .toString(36)
  .padStart(5, '0');

/** The id of a request in logs: the caller's `x-request-id`, else its tracking id, where they look like ids; else a short new one. */
export function requestIdOf(header: string | undefined, trackingId: string): string {
  if (header !== undefined && plausible.test(header)) return header;
  if (plausible.test(trackingId)) return trackingId;
  generated = (generated + 1) % Number.MAX_SAFE_INTEGER;
  return `${prefix}-${generated.toString(36)}`;
}
