import { EtcdWriteError, EtcdWriteErrorCode } from '../errors.js';

const MAX_ID_BYTES = 512;

/**
 * Checks that an id can be the last segment of a key.
 * @throws EtcdWriteError saying what is wrong with it
 */
export function checkModelId(modelConfigId: string): void {
  const problem = problemOf(modelConfigId);
  if (problem === undefined) return;
  throw new EtcdWriteError(EtcdWriteErrorCode.badId, `the model config id ${JSON.stringify(modelConfigId.slice(0, 80))} ${problem}`);
}

function problemOf(id: string): string | undefined {
  if (id === '') return 'is empty';
  if (id.includes('/')) return 'holds a slash, which separates the parts of a key: servers would not read it';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  if (/[\u0000-\u001f\u007f]/.test(id)) return 'holds a control character';
  if (id !== id.trim()) return 'begins or ends with a space';
  if (!id.isWellFormed()) return 'is not valid Unicode';
  return Buffer.byteLength(id) > MAX_ID_BYTES ? `is longer than ${MAX_ID_BYTES} bytes` : undefined;
}

/** Ids that the Go service cannot tell apart from this one: it drops dashes and case. */
export function looksAlike(modelConfigId: string, others: Iterable<string>): readonly string[] {
  const fold = (id: string): string => id.replaceAll('-', '').toLowerCase();
  return [...others].filter((other) => other !== modelConfigId && fold(other) === fold(modelConfigId)).sort();
}
