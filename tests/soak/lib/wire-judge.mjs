// A decoder of protobuf wire format that only judges: slow, plain, by the specification, written for nothing but to be held against others.

/** Kinds of declared fields beside nested schemas, with the wire types they may have. */
const wireTypes = { varint: [0], bytes: [2], text: [2], double: [1], ints: [0, 2], words: [5, 2], doubles: [1, 2] };

/**
 * Whether a message is well-formed, whether a text in it is no UTF-8 (a reader that needs the text refuses it), and whether it is strange: a
 * group, or a declared field with another wire type, which is to be skipped and some decoders misread. `mostInts`: more numbers in one
 * message than that are refused.
 */
export function judge(bytes, schema, mostInts = Number.POSITIVE_INFINITY) {
  const verdict = { isStrange: false, hasBadText: false, isWellFormed: true };
  verdict.isWellFormed = isWellFormed(bytes, schema, mostInts, verdict);
  return verdict;
}

function isWellFormed(bytes, schema, mostInts, verdict) {
  let at = 0;
  let ints = 0;
  const varint = () => {
    let value = 0n;
    for (let index = 0; index < 10; index++) {
      const byte = bytes[at++];
      if (byte === undefined || (index === 9 && byte > 1)) return null;
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return value;
    }
    return null;
  };
  const skip = (wireType, field, depth) => {
    if (wireType === 0) return varint() !== null;
    if (wireType === 1 || wireType === 5) {
      at += wireType === 1 ? 8 : 4;
      return at <= bytes.length;
    }
    if (wireType === 2) {
      const length = varint();
      if (length === null || length > BigInt(bytes.length - at)) return false;
      at += Number(length);
      return true;
    }
    if (wireType !== 3 || depth >= 100) return false;
    for (;;) {
      const tag = varint();
      if (tag === null || tag < 8n || tag > 0xffffffffn) return false;
      if (tag % 8n === 4n) return tag / 8n === field;
      if (!skip(Number(tag % 8n), tag / 8n, depth + 1)) return false;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === null || tag < 8n || tag > 0xffffffffn) return false;
    const wireType = Number(tag % 8n);
    const declared = schema[Number(tag / 8n)];
    if (wireType === 4 || wireType > 5) return false;
    if (wireType === 3) verdict.isStrange = true;
    const fits = declared !== undefined && (wireTypes[declared] ?? [2]).includes(wireType);
    if (declared !== undefined && !fits) verdict.isStrange = true;
    const start = at;
    if (!skip(wireType, tag / 8n, 0)) return false;
    if (!fits) continue;
    if (declared === 'ints' && wireType === 0) ints++;
    if (wireType !== 2) continue;
    const value = payload(bytes, start, at);
    if (typeof declared === 'object' && !isWellFormed(value, declared, mostInts, verdict)) return false;
    if (declared === 'text' && !isText(value)) verdict.hasBadText = true;
    if (declared === 'words' && value.length % 4 !== 0) return false;
    if (declared === 'doubles' && value.length % 8 !== 0) return false;
    if (declared !== 'ints') continue;
    const more = packedCount(value);
    if (more < 0) return false;
    ints += more;
  }
  return ints <= mostInts;
}

/** What a length stands before. */
function payload(bytes, start, end) {
  let at = start;
  while (bytes[at] >= 0x80) at++;
  return bytes.subarray(at + 1, end);
}

const strict = new TextDecoder('utf-8', { fatal: true });

function isText(bytes) {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Varints in a packed field; −1 if malformed. */
function packedCount(bytes) {
  let run = 0;
  let count = 0;
  for (const byte of bytes) {
    run++;
    if (run > 10 || (run === 10 && byte > 1)) return -1;
    if (byte >= 0x80) continue;
    run = 0;
    count++;
  }
  return run === 0 ? count : -1;
}
