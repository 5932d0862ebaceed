// The header block of a request, made once per CallHead and copied for every call:
//
//   83 86          :method POST, :scheme http (87: https), from the static table
//   14 … 11 …      :path, :authority: literals, never indexed, names from the static table
//   ── pseudo ends here; 10 0c "grpc-timeout" n "250m" for calls with a deadline: gRPC wants it right behind the pseudo-headers; then rest ──
//   10 … …         te, content-type and metadata: literals, never indexed, so no proxy keeps a token in a table of its own
//
// No field is ever added to the peer's dynamic table: its state can neither grow nor get out of step.
import { type CallHead, headListBytes } from '../grpc-head.js';
import { literal } from './literal-field.js';
import { StaticIndex } from './static-table.js';

/** A header block with a place for `grpc-timeout`. */
export interface RequestBlock {
  /** What comes before the timeout. */
  readonly pseudo: Uint8Array;
  /** What comes behind it. */
  readonly rest: Uint8Array;
  /** Room for the block with any timeout. */
  readonly mostBytes: number;
  /** What it takes of the header list that the peer allows. */
  readonly listBytes: number;
}

const timeoutField = literal(0, 'grpc-timeout', '').subarray(0, -1);
/** A length, eight digits and a unit. */
const longestTimeoutField = timeoutField.length + 1 + 9;

const plainBlocks = new WeakMap<CallHead, RequestBlock>();
const tlsBlocks = new WeakMap<CallHead, RequestBlock>();

/** The block of a head, made on first use. */
export function requestBlockOf(head: CallHead, isTls: boolean): RequestBlock {
  const blocks = isTls ? tlsBlocks : plainBlocks;
  let block = blocks.get(head);
  if (block === undefined) {
    block = makeBlock(head, isTls);
    blocks.set(head, block);
  }
  return block;
}

function makeBlock(head: CallHead, isTls: boolean): RequestBlock {
  const pseudo = Buffer.concat([
    Buffer.of(0x80 | StaticIndex.METHOD_POST, 0x80 | (isTls ? StaticIndex.SCHEME_HTTPS : StaticIndex.SCHEME_HTTP)),
    literal(StaticIndex.PATH, '', head.headers[':path'] ?? head.path),
    literal(StaticIndex.AUTHORITY, '', head.headers[':authority'] ?? ''),
  ]);
  const rest = Object.entries(head.headers)
    .filter(([name]) => !name.startsWith(':'))
    .map(([name, value]) => literal(name === 'content-type' ? StaticIndex.CONTENT_TYPE : 0, name, value));
  const block = { pseudo: new Uint8Array(pseudo), rest: new Uint8Array(Buffer.concat(rest)) };
  return { ...block, mostBytes: block.pseudo.length + longestTimeoutField + block.rest.length, listBytes: headListBytes(head) };
}

/**
 * Writes a block with the time that is left; returns where it ends. `remainingMs` is `Infinity` without a deadline, and NaN is
 * none either, as for the deadline queue. Rounded down, so that the peer never waits longer than the caller, and at least one microsecond.
 */
export function putRequestBlock(target: Uint8Array, at: number, block: RequestBlock, remainingMs: number): number {
  const { pseudo, rest } = block;
  target.set(pseudo, at);
  let end = at + pseudo.length;
  if (remainingMs < Number.POSITIVE_INFINITY) end = putTimeoutField(target, end, remainingMs);
  target.set(rest, end);
  return end + rest.length;
}

function putTimeoutField(target: Uint8Array, at: number, remainingMs: number): number {
  let amount: number;
  let unit: number;
  if (remainingMs >= 1e8) {
    amount = Math.min(Math.floor(remainingMs / 1000), 99_999_999);
    unit = 0x53; // S
  } else if (remainingMs >= 10) {
    amount = Math.floor(remainingMs);
    unit = 0x6d; // m
  } else {
    amount = Math.max(Math.floor(remainingMs * 1000), 1);
    unit = 0x75; // u
  }
  for (let i = 0; i < timeoutField.length; i++) target[at + i] = timeoutField[i]!;
  let digits = 1;
  for (let ten = 10; ten <= amount; ten *= 10) digits++;
  const lengthAt = at + timeoutField.length;
  target[lengthAt] = digits + 1;
  let rest = amount;
  for (let i = digits; i > 0; i--) {
    const tenth = Math.floor(rest / 10);
    target[lengthAt + i] = 0x30 + rest - tenth * 10;
    rest = tenth;
  }
  target[lengthAt + digits + 1] = unit;
  return lengthAt + digits + 2;
}
