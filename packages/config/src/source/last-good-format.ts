import { createHash } from 'node:crypto';
import { isJsonObject } from '../json.js';
import type { ConfigDocument } from './model-document.js';

/** What is kept of a source: the newest documents that were good enough to serve, and where in the source they were read. */
export interface StoredSnapshot {
  /** Names the source, such as its base path: a snapshot is never given to another one. */
  readonly origin: string;
  /** Milliseconds since the epoch. */
  readonly savedAt: number;
  /** The source's own note of how far it had read; empty if it needs none. */
  readonly position: string;
  /** Documents by model id. */
  readonly models: ReadonlyMap<string, ConfigDocument>;
  /** The service settings, undefined if there are none. */
  readonly service: ConfigDocument | undefined;
}

const FORMAT = 'inferflow-last-good';
const VERSION = 1;
/** Texts are put together up to this size, so that a large snapshot never keeps the process busy for long. */
const CHUNK_CHARACTERS = 128 * 1024;

/** A document as a line of the file. */
interface StoredDocument {
  readonly id?: string;
  readonly format: 'json' | 'yaml';
  readonly text: string;
}

/**
 * The file's bytes in portions: one line of JSON for the head, one per document, and a last one with the SHA-256 of everything before it.
 */
export function* encodeSnapshot(snapshot: StoredSnapshot): Generator<Buffer> {
  const hash = createHash('sha256');
  const { origin, savedAt, position, models, service } = snapshot;
  let text = `${JSON.stringify({ format: FORMAT, version: VERSION, origin, savedAt, position, models: models.size })}\n`;
  const flush = (): Buffer => {
    const bytes = Buffer.from(text);
    hash.update(bytes);
    text = '';
    return bytes;
  };
  if (service !== undefined) text += `${JSON.stringify({ service: toStored(service) })}\n`;
  for (const [id, document] of models) {
    text += `${JSON.stringify({ id, ...toStored(document) })}\n`;
    if (text.length >= CHUNK_CHARACTERS) yield flush();
  }
  yield flush();
  yield Buffer.from(`${JSON.stringify({ sha256: hash.digest('hex') })}\n`);
}

/**
 * Reads a file back.
 * @throws Error that says what is wrong with it: a wrong checksum, another version, another source
 */
export function decodeSnapshot(bytes: Buffer, origin: string): StoredSnapshot {
  const lastLine = bytes.lastIndexOf(0x0a, bytes.length - 2) + 1;
  const trailer = parseLine(bytes.subarray(lastLine).toString());
  const body = bytes.subarray(0, lastLine);
  if (trailer?.sha256 === undefined) throw new Error('it is cut off');
  if (trailer.sha256 !== createHash('sha256').update(body).digest('hex')) throw new Error('its checksum is wrong');
  const [first = '', ...lines] = body.toString().split('\n');
  const head = parseLine(first);
  if (head?.format !== FORMAT) throw new Error('it holds something else');
  if (head.version !== VERSION) throw new Error(`it has version ${String(head.version)} of the format, expected ${VERSION}`);
  if (head.origin !== origin) throw new Error(`it was kept for ${String(head.origin)}`);
  const models = new Map<string, ConfigDocument>();
  let service: ConfigDocument | undefined;
  for (const line of lines) {
    if (line === '') continue;
    const stored = parseLine(line);
    if (typeof stored?.id === 'string') models.set(stored.id, fromStored(stored));
    else if (isJsonObject(stored?.service)) service = fromStored(stored.service);
  }
  if (models.size !== head.models) throw new Error('models are missing');
  return { origin, savedAt: Number(head.savedAt), position: String(head.position), models, service };
}

function toStored(document: ConfigDocument): StoredDocument {
  if ('text' in document) return { format: document.format, text: document.text };
  return { format: 'json', text: JSON.stringify('value' in document ? document.value : null) ?? 'null' };
}

function fromStored(stored: Readonly<Record<string, unknown>>): ConfigDocument {
  return { text: String(stored.text), format: stored.format === 'yaml' ? 'yaml' : 'json' };
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
