import { InputError } from '../config-input.js';

/** A key of a dump with its value. */
export interface DumpEntry {
  readonly key: string;
  readonly text: string;
}

/**
 * Reads what `etcdctl get --prefix` prints, in any of its formats that hold values (`-w json`, `-w fields`, `-w simple`), lines of a key
 * and its value, or a JSON object of values by key.
 * @throws InputError if it is none of these
 */
export function parseDump(content: string, name: string): readonly DumpEntry[] {
  const text = content.replace(/^\uFEFF/, '');
  if (isPart(text))
    throw new InputError(`${name} holds only a part of the keys, as it says itself ("more"): dump them again without --limit`);
  const entries = fromJson(text) ?? fromFields(text) ?? fromLines(text);
  if (entries.length === 0)
    throw new InputError(`${name} is no dump of etcd: expected what etcdctl get --prefix -w json prints, or lines of keys and values`);
  return entries;
}

/** What etcd says of an answer that a limit has cut; of several answers behind each other the last one tells. */
function isPart(text: string): boolean {
  if (/^"More" : true\s*$/m.test(text)) return true;
  const last = /^\s*\{/.test(text) ? parseDocuments(text)?.at(-1) : undefined;
  return typeof last === 'object' && last !== null && 'kvs' in last && 'more' in last && last.more === true;
}

/** True for a JSON document that is a dump, not a model. */
export function looksLikeDump(content: string): boolean {
  const entries = fromJson(content.replace(/^\uFEFF/, '')) ?? fromFields(content);
  if (entries !== undefined) return entries.length > 0;
  return isKeyLine(content.trimStart().split(/\r?\n/, 1)[0] ?? '');
}

/** Undefined if it is not JSON of a dump. Several documents behind each other are those of several calls. */
function fromJson(text: string): readonly DumpEntry[] | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  const documents = parseDocuments(text);
  const entries = documents?.map(entriesOf);
  return entries === undefined || entries.some((each) => each === undefined) ? undefined : entries.flatMap((each) => each ?? []);
}

function parseDocuments(text: string): readonly unknown[] | undefined {
  try {
    return [JSON.parse(text)];
  } catch {
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
    try {
      return lines.map((line): unknown => JSON.parse(line));
    } catch {
      return undefined;
    }
  }
}

function entriesOf(document: unknown): readonly DumpEntry[] | undefined {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return undefined;
  if ('kvs' in document && Array.isArray(document.kvs)) return document.kvs.flatMap(encodedEntry);
  if ('header' in document) return [];
  const members = Object.entries(document);
  if (members.length === 0 || !members.every(([key]) => isKeyLine(key))) return undefined;
  return members.map(([key, value]) => ({ key, text: typeof value === 'string' ? value : JSON.stringify(value) }));
}

function encodedEntry(entry: unknown): readonly DumpEntry[] {
  if (typeof entry !== 'object' || entry === null || !('key' in entry)) return [];
  const decode = (value: unknown): string => Buffer.from(String(value ?? ''), 'base64').toString();
  return [{ key: decode(entry.key), text: decode('value' in entry ? entry.value : '') }];
}

/** `"Key" : "…"`, `"Value" : "…"`, in lines of their own. */
function fromFields(text: string): readonly DumpEntry[] | undefined {
  if (!/^"Key" : "/m.test(text)) return undefined;
  const entries: { key: string; text: string }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^"(Key|Value)" : (".*")\s*$/.exec(line) ?? [];
    if (value === undefined) continue;
    if (name === 'Key') entries.push({ key: unquote(value), text: '' });
    else if (entries.length > 0) entries[entries.length - 1]!.text = unquote(value);
  }
  return entries;
}

/** A text in the quotes of Go. Its escapes of bytes beyond ASCII are put together again. */
function unquote(text: string): string {
  const simple: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };
  const parts: Buffer[] = [];
  for (const [piece] of text.slice(1, -1).matchAll(/\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\[0-7]{3}|\\.|[^\\]+/gs)) {
    if (!piece.startsWith('\\')) parts.push(Buffer.from(piece));
    else if (piece[1] === 'x') parts.push(Buffer.of(Number.parseInt(piece.slice(2), 16)));
    else if (/^\\[uU]/.test(piece)) parts.push(Buffer.from(String.fromCodePoint(Number.parseInt(piece.slice(2), 16))));
    else if (/^\\[0-7]{3}/.test(piece)) parts.push(Buffer.of(Number.parseInt(piece.slice(1), 8)));
    else parts.push(simple[piece[1]!] === undefined ? Buffer.from(piece.slice(1)) : Buffer.of(simple[piece[1]!]!));
  }
  return Buffer.concat(parts).toString();
}

/** A key in a line of its own with the value in those that follow, or a key, a separator and a value in one line. */
function fromLines(text: string): readonly DumpEntry[] {
  const lines = text.split(/\r?\n/);
  const entries: { key: string; lines: string[] }[] = [];
  lines.forEach((line, index) => {
    if (isKeyLine(line)) {
      const next = lines.slice(index + 1).find((later) => later.trim() !== '');
      const [, key, value] = /^(\S+?)(?:\s*[=\t]\s*|:?\s+)(\S.*)$/.exec(line) ?? [];
      const isWhole = key !== undefined && value !== undefined && (/^[{["]/.test(value) || next === undefined || isKeyLine(next));
      entries.push(isWhole ? { key, lines: [value] } : { key: line.trim(), lines: [] });
    } else {
      entries.at(-1)?.lines.push(line);
    }
  });
  return entries.map(({ key, lines: valueLines }) => ({ key, text: valueLines.join('\n').trim() }));
}

function isKeyLine(line: string): boolean {
  return /^\/?\S*\/model-config(?:$|[/\s=:])/.test(line) || /^\/?(?:config-?map|service-?config)(?:$|[/\s=])/i.test(line);
}
