import type { Failure } from '@inferflow/components';

/** Longer messages are cut: what an upstream or a plugin says is repeated for every row, and must not blow up an answer. */
const MAX_TEXT = 300;

/** A failure as answers tell it: its reason, then what happened. */
export function failureText({ reason, message }: Failure): string {
  return `${reason}: ${boundedMessage(message)}`;
}

/** A message, cut where it is too long. */
export function boundedMessage(text: string): string {
  if (text.length <= MAX_TEXT) return text;
  const last = text.charCodeAt(MAX_TEXT - 1);
  // Not in the middle of a character.
  const end = last >= 0xd800 && last < 0xdc00 ? MAX_TEXT - 1 : MAX_TEXT;
  return `${text.slice(0, end)}…`;
}
