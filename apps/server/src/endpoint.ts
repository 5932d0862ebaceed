/** Where a service listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** The word that means: in this process. */
export const localEndpoint = 'local';

/**
 * Reads `host`, `host:port`, `[v6]`, `[v6]:port`, with or without `http://`; a port in the text wins over the default.
 * @returns undefined when the text is none of these
 */
export function parseEndpoint(text: string, defaultPort: number): Endpoint | undefined {
  const match = /^(?:https?:\/\/)?(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?\/?$/.exec(text.trim());
  if (match === null) return undefined;
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65535) return undefined;
  return { host: match[1] ?? match[2]!, port };
}

/** `host:port` as HTTP/2's `:authority` wants it. */
export function authorityOf({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
