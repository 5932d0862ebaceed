// A field as we write it (RFC 7541 §6.2.3), so that nobody on the way indexes it, and plain:
//
//   | 0001 index of the name, 0: it follows | [0 length | name] | 0 length | value |
/** A literal field that is never indexed; the name is used when its index is 0. */
export function literal(nameIndex: number, name: string, value: string): Uint8Array {
  const parts = [number(nameIndex, 0x10, 4)];
  for (const text of nameIndex === 0 ? [name, value] : [value]) parts.push(number(text.length, 0, 7), Buffer.from(text, 'latin1'));
  return Buffer.concat(parts);
}

/** A number with a prefix, RFC 7541 §5.1. */
function number(value: number, firstBits: number, prefixBits: number): Buffer {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) return Buffer.of(firstBits | value);
  const bytes = [firstBits | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
