const space = 0x20;
const quote = 0x22;
const backslash = 0x5c;

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** Compact text of a JSON array, digits untouched; null when the text is not one. */
export function compactJsonArray(bytes: Uint8Array, start: number, end: number): Uint8Array | null {
  let first = start;
  while (first < end && (bytes[first] as number) <= space) first++;
  if (bytes[first] !== 0x5b) return null;
  try {
    JSON.parse(decoder.decode(bytes.subarray(first, end)));
  } catch {
    return null;
  }
  const target = new Uint8Array(end - first);
  let length = 0;
  let isText = false;
  for (let at = first; at < end; at++) {
    const byte = bytes[at] as number;
    if (isText && byte === backslash) {
      target[length++] = byte;
      target[length++] = bytes[++at] as number;
      continue;
    }
    if (byte === quote) isText = !isText;
    if (isText || byte > space) target[length++] = byte;
  }
  return target.subarray(0, length);
}

/** Texts as a JSON array. */
export function jsonTexts(texts: readonly string[]): Uint8Array {
  return encoder.encode(JSON.stringify(texts));
}
