/** Names that HTTP/2 allows, pseudo-headers aside. */
export const namePattern: RegExp = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** What no value may hold. */
export const forbiddenInValue: RegExp = /[\0\r\n]/;

/** Headers that speak of an HTTP/1.1 connection: forbidden in HTTP/2. */
export const connectionHeaders: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
