import http from 'node:http';
import https from 'node:https';
import { InputError } from '../config-input.js';

/** What a server says of one model. */
export interface ServedModel {
  readonly id: string;
  readonly state: string;
  readonly reason: string;
  /** Of the newest version that the server has seen. */
  readonly hash: string;
  readonly revision: string;
  readonly since: string;
  /** Of what serves, where that is another version; null: nothing serves. */
  readonly liveHash: string | null | undefined;
}

/** What a server says of its configurations. */
export interface ServerConfig {
  readonly source: { readonly state: string; readonly reason: string } | null;
  readonly models: readonly ServedModel[];
}

/** How a server is asked. */
export interface ServerAccess {
  readonly callerId: string | undefined;
  readonly token: string | undefined;
  /** Who signs its certificate, PEM. */
  readonly ca: string | undefined;
  readonly timeoutMs: number;
}

/** Timers with a longer time would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Answers longer than this are none of ours. */
const MAX_BYTES = 256 * 1024 * 1024;

/**
 * Asks a server for `GET /config`. Rejects with an `Error` whose message says what to do.
 * @param server `http://host:port`, `https://host:port` or `host:port`
 */
export async function readServerConfig(server: string, access: ServerAccess): Promise<ServerConfig> {
  const { status, body } = await get(serverUrl(server), access);
  if (status === 401 || status === 403) throw new Error('it refuses the caller: give --caller-id and --token of one that may ask');
  if (status === 404) throw new Error('it has no /config: an older server, or none of ours');
  if (status !== 200) throw new Error(`it answers ${status}: ${body.slice(0, 200)}`);
  return toServerConfig(body);
}

/** @throws InputError if it is no address */
export function serverUrl(server: string): URL {
  const text = /^https?:\/\//.test(server) ? server : `http://${server}`;
  if (!URL.canParse(text)) throw new InputError(`--server ${server}: expected http://host:port`);
  const url = new URL(text);
  if (url.port === '' && !/:\d+\/?$/.test(server)) url.port = '8085';
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/config`;
  return url;
}

function get(url: URL, { callerId, token, ca, timeoutMs }: ServerAccess): Promise<{ readonly status: number; readonly body: string }> {
  const headers = {
    accept: 'application/json',
    ...(callerId !== undefined && { 'inferflow-caller-id': callerId }),
    ...(token !== undefined && { 'inferflow-auth-token': token }),
  };
  const { request } = url.protocol === 'https:' ? https : http;
  const tls = ca === undefined ? {} : { ca };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(Math.min(Math.ceil(timeoutMs), LONGEST_TIMER_MS));
    const call = request(url, { headers, signal, agent: false, ...tls }, (answer) => {
      const parts: Buffer[] = [];
      let length = 0;
      answer.on('data', (part: Buffer) => {
        length += part.length;
        if (length > MAX_BYTES) call.destroy(new Error('its answer is too long'));
        else parts.push(part);
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    call.on('error', (error: NodeJS.ErrnoException) => {
      reject(
        signal.aborted
          ? new Error(`it does not answer within ${timeoutMs} ms`)
          : new Error(`it cannot be reached: ${error.code ?? error.message}`),
      );
    });
    call.end();
  });
}

function toServerConfig(body: string): ServerConfig {
  const value = parseObject(body);
  const models = value?.['models'];
  if (value === undefined || !Array.isArray(models)) throw new Error('its answer is not what /config answers');
  const source = objectOf(value['source']);
  return {
    source: source === undefined ? null : { state: textOf(source['state']), reason: textOf(source['reason']) },
    models: models.flatMap((each: unknown) => {
      const model = objectOf(each);
      if (model === undefined) return [];
      const [id, state, reason, hash, revision] = ['id', 'state', 'reason', 'hash', 'revision'].map((name) => textOf(model[name])) as [
        string,
        string,
        string,
        string,
        string,
      ];
      const { since, liveHash } = model;
      const time = typeof since === 'number' ? new Date(since).toISOString() : textOf(since);
      return [
        {
          id,
          state,
          reason,
          hash,
          revision,
          since: time,
          liveHash: liveHash === undefined || liveHash === null ? liveHash : textOf(liveHash),
        },
      ];
    }),
  };
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    return objectOf(JSON.parse(body));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
