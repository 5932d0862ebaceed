import { putUtf8, utf8Size } from '@inferflow/proto/hot';

/** A text as UTF-8 in memory of its own: for what is encoded once and kept. A lone surrogate becomes U+FFFD. */
export function utf8Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Size(text));
  putUtf8(bytes, 0, text);
  return bytes;
}
