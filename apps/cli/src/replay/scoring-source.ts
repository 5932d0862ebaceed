import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LoggingError } from '@inferflow/logging';
import { readTopic, type TopicReaderOptions } from '@inferflow/logging/kafka';
import { readDelimited } from '@inferflow/logging/scoring';
import { InputError } from '../config-input.js';
import { recordBytes } from '../record-bytes.js';

/** Takes a record and where it was; null = the place holds something that is no record. */
export type OnRecord = (bytes: Uint8Array | null, place: string) => Promise<void>;

/** Told how much has been read: bytes, or records of a topic. */
export type OnRead = (done: number, total: number) => void;

/** Who watches reading. */
export interface ReadWatch {
  readonly onRead: OnRead;
  /** Ends reading, also while nothing comes. */
  readonly signal: AbortSignal;
}

/**
 * Records of a topic, or of a file, a directory of files, or stdin (`-`): length-delimited (`*.scoring`), else one JSON object of the
 * standard-output sink or one base64 text a line. Lines that are other records or a service's own log are passed over.
 */
export async function readScoringRecords(
  source: string | TopicReaderOptions,
  onRecord: OnRecord,
  { onRead, signal }: ReadWatch,
): Promise<void> {
  if (typeof source !== 'string') return readFromTopic({ ...source, signal }, onRecord, onRead);
  const files = source === '-' ? ['-'] : await filesOf(source);
  const sizes = await Promise.all(files.map(async (file) => (file === '-' ? 0 : (await stat(file)).size)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let before = 0;
  for (const [index, file] of files.entries()) {
    const progress = (read: number): void => onRead(before + read, total);
    if (/\.scoring(\.open)?$/.test(file)) await readFile(file, onRecord, progress);
    else await readLines(file, onRecord, { onRead: progress, signal });
    before += sizes[index] as number;
  }
}

async function filesOf(path: string): Promise<readonly string[]> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (cause) {
    throw new InputError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  if (!isDirectory) return [path];
  const names = (await readdir(path, { recursive: true })).filter((name) => /\.scoring(\.open)?$/.test(name)).sort();
  if (names.length === 0) throw new InputError(`${path} holds no scoring logs (*.scoring)`);
  return names.map((name) => join(path, name));
}

async function readFromTopic(options: TopicReaderOptions, onRecord: OnRecord, onRead: OnRead): Promise<void> {
  let done = 0;
  await readTopic(options, async (record, { records }) => {
    await onRecord(record.value, `${options.topic}[${record.partition}]@${record.offset}`);
    onRead(++done, records);
  });
}

async function readFile(file: string, onRecord: OnRecord, onRead: (read: number) => void): Promise<void> {
  let read = 0;
  const chunks = (async function* () {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
      read += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  })();
  let at = 0;
  let cut = 0;
  const onCut = (bytes: number): void => {
    cut = bytes;
  };
  try {
    for await (const bytes of readDelimited(chunks, onCut)) {
      await onRecord(bytes, `${file}#${at++}`);
      onRead(read);
    }
    // A file that is still written ends anywhere; in one that is complete a length is wrong, and what it hides may be much.
    if (cut > 0 && !file.endsWith('.open')) await onRecord(null, `${file}#${at}`);
  } catch (error) {
    if (!(error instanceof LoggingError)) throw error;
    await onRecord(null, `${file}#${at}`);
  }
}

async function readLines(
  file: string,
  onRecord: OnRecord,
  { onRead, signal }: { readonly onRead: (read: number) => void; readonly signal: AbortSignal },
): Promise<void> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  let line = 0;
  let read = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal })) {
    line++;
    read += Buffer.byteLength(text) + 1;
    const found = recordOfLine(text.trim());
    if (found !== 'other') await onRecord(found, `${file}:${line}`);
    onRead(read);
  }
}

function recordOfLine(text: string): Uint8Array | null | 'other' {
  if (text === '') return 'other';
  if (!text.startsWith('{')) return recordBytes(text);
  try {
    const entry = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const content = entry['message'] ?? entry['value'];
    if (entry['level'] !== undefined || (entry['format'] !== undefined && entry['format'] !== 'scoring')) return 'other';
    return typeof content === 'string' ? recordBytes(content) : null;
  } catch {
    return null;
  }
}
