import type { BlockShape, IdentityTable } from '@inferflow/matrix';
import { keyPartSize, putKeyHead, putKeyPart, putShortKey, SHORT_KEY_PART } from '@inferflow/proto/hot';
import type { FailureReason } from '@inferflow/transport';
import { HashIndex } from '../cache/hash-index.js';
import type { FeatureBatchCall } from './feature-batch-call.js';
import type { FeatureLayout } from './feature-layout.js';
import type { FeatureLookup } from './feature-lookup.js';

/*
 * The bytes of a batch are the `keys` fields of its query, as they are sent:
 *
 *   bytes        22 length | 0a length part 0 | 0a length part 1 | 22 length | 0a length part 0 | …
 *   keyRanges                from 0                           to 0           from 1
 *   waits        member, key, identity of the member | member, key, identity | …      several members may wait for one key
 *   rowOf        per key, the row of the answer that is its
 */

/** With fewer keys, comparing four bytes at a time is not worth the two views that it takes: 150 ns (Node 20.20). */
const leastKeysForViews = 8;

/**
 * Keys of one call to the store, and who waits for which of them. Lookups join while it is open for keys, and while its call is under
 * way. Pooled; owns all its bytes.
 */
export class FeatureBatch {
  layout: FeatureLayout | null = null;
  call: FeatureBatchCall | null = null;
  /** Place in the list of batches under way; −1 = nobody else finds it. */
  place = -1;
  startedAt = 0;
  /** For the pool: what it counts it as. */
  idleBytes = 0;
  /** Why its call failed; null while it has not. */
  failedWith: FailureReason | null = null;
  keyCount = 0;
  /** The keys as fields of the query, ready to be sent. */
  bytes = new Uint8Array(1024);
  byteLength = 0;
  /** Per key: where its parts begin and end in `bytes`. Equal parts mean an equal key. */
  keyRanges = new Int32Array(128);
  /** Per key, its hash. */
  hashes = new Int32Array(64);
  /** Lookups that wait, the first `joined` entries; null = left. The list keeps its room from use to use. */
  readonly members: (FeatureLookup | null)[] = [null, null];
  joined = 0;
  /** Lookups that have not left. */
  memberCount = 0;
  /** Per wait: member, key, identity of the member. */
  waits = new Int32Array(192);
  waitCount = 0;
  /** Per key, the answered row; −1 = none. Filled by `matchRows`. */
  rowOf = new Int32Array(64);
  readonly #byHash = new HashIndex();

  /** A lookup asks for identities `uniques[from, to)` of a table. */
  addKeys(member: number, table: IdentityTable, uniques: Int32Array, from: number, to: number): void {
    const first = this.keyCount;
    if (table.partCount !== 1 || !this.#addShortKeys(table, uniques, from, to))
      for (let index = from; index < to; index++) this.#addKey(table, uniques[index] as number);
    for (let index = from; index < to; index++) this.wait(member, first + index - from, uniques[index] as number);
  }

  /** The usual case in one loop. False, and nothing is done, when a key is long. */
  #addShortKeys(table: IdentityTable, uniques: Int32Array, from: number, to: number): boolean {
    const source = table.partSource(0);
    const ranges = table.partRanges(0);
    let byteLength = 0;
    for (let index = from; index < to; index++) {
      const length = ranges[table.rowOf(uniques[index] as number) * 2 + 1] as number;
      if (length > SHORT_KEY_PART) return false;
      byteLength += length + 4;
    }
    this.#reserve(byteLength);
    this.#reserveKeys(this.keyCount + to - from);
    const { bytes, keyRanges, hashes } = this;
    let at = this.byteLength;
    let key = this.keyCount;
    for (let index = from; index < to; index++, key++) {
      const unique = uniques[index] as number;
      const row = table.rowOf(unique) * 2;
      keyRanges[key * 2] = at + 2;
      at = putShortKey(bytes, at, source, ranges[row] as number, ranges[row + 1] as number);
      keyRanges[key * 2 + 1] = at;
      hashes[key] = table.hashes[unique] as number;
    }
    this.byteLength = at;
    this.keyCount = key;
    return true;
  }

  #addKey(table: IdentityTable, unique: number): void {
    const key = this.keyCount++;
    let parts = 0;
    for (let part = 0; part < table.partCount; part++) parts += keyPartSize(table.partLength(unique, part));
    this.#reserve(parts + 12);
    let at = putKeyHead(this.bytes, this.byteLength, parts);
    this.#reserveKeys(key + 1);
    this.keyRanges[key * 2] = at;
    for (let part = 0; part < table.partCount; part++) {
      const start = table.partStart(unique, part);
      at = putKeyPart(this.bytes, at, table.partSource(part), start, start + table.partLength(unique, part));
    }
    this.keyRanges[key * 2 + 1] = at;
    this.hashes[key] = table.hashes[unique] as number;
    this.byteLength = at;
  }

  #reserveKeys(count: number): void {
    if (this.hashes.length >= count) return;
    this.keyRanges = grow(this.keyRanges, count * 2);
    this.hashes = grow(this.hashes, count);
  }

  /** Whether a key is this identity. */
  hasKey(key: number, table: IdentityTable, unique: number): boolean {
    let at = this.keyRanges[key * 2] as number;
    const end = this.keyRanges[key * 2 + 1] as number;
    for (let part = 0; part < table.partCount; part++) {
      const length = table.partLength(unique, part);
      const size = keyPartSize(length);
      if (at + size > end) return false;
      // The length is written in the bytes before the text: compare it with the text's own.
      const text = at + size - length;
      if (!isPartHead(this.bytes, at, text, length)) return false;
      const source = table.partSource(part);
      const start = table.partStart(unique, part);
      for (let index = 0; index < length; index++) if (this.bytes[text + index] !== source[start + index]) return false;
      at += size;
    }
    return at === end;
  }

  /** A lookup waits for a key. */
  wait(member: number, key: number, unique: number): void {
    const at = this.waitCount * 3;
    if (this.waits.length < at + 3) this.waits = grow(this.waits, at + 3);
    this.waits[at] = member;
    this.waits[at + 1] = key;
    this.waits[at + 2] = unique;
    this.waitCount++;
  }

  /** More than one lookup has joined it, so what becomes of it is not the doing of one alone. */
  get isShared(): boolean {
    return this.joined > 1;
  }

  /** The number of a lookup that waits already, or −1. The last one to join is found first: lookups bring their keys one after the other. */
  memberOf(lookup: FeatureLookup): number {
    for (let member = this.joined - 1; member >= 0; member--) if (this.members[member] === lookup) return member;
    return -1;
  }

  /** Whether the blocks of all who wait have this shape: one may have turned to another while the call was under way. */
  haveShape(shape: BlockShape): boolean {
    for (let index = 0; index < this.joined; index++) {
      const block = this.members[index]?.block ?? null;
      if (block !== null && block.shape !== shape) return false;
    }
    return true;
  }

  /** The latest deadline of those who wait. */
  latestDeadline(): number {
    let latest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < this.joined; index++) {
      const member = this.members[index];
      if (member !== null && member !== undefined && member.deadline > latest) latest = member.deadline;
    }
    return latest;
  }

  /** Bytes that it holds, also while it is idle. */
  get heldBytes(): number {
    const { bytes, keyRanges, hashes, waits, rowOf } = this;
    return bytes.length + (keyRanges.length + hashes.length + waits.length + rowOf.length) * 4 + this.#byHash.byteLength;
  }

  /** Whether a key is waited for by somebody who has not left; only told of batches that somebody left. */
  #markWanted(): number {
    if (this.rowOf.length < this.keyCount) this.rowOf = new Int32Array(Math.max(this.keyCount, this.rowOf.length * 2));
    this.rowOf.fill(-1, 0, this.keyCount);
    let wanted = 0;
    for (let wait = 0; wait < this.waitCount; wait++) {
      if (this.members[this.waits[wait * 3] as number] === null) continue;
      const key = this.waits[wait * 3 + 1] as number;
      if (this.rowOf[key] === -1) wanted++;
      this.rowOf[key] = 0;
    }
    return wanted;
  }

  /** Whether there are keys that only lookups waited for which left. */
  get hasUnwanted(): boolean {
    return this.memberCount < this.joined && this.#markWanted() < this.keyCount;
  }

  /** Takes those keys out, and the waits of who left. The numbers of keys change. */
  dropUnwanted(): void {
    this.#markWanted();
    const numberOf = this.rowOf;
    let kept = 0;
    let length = 0;
    let from = 0;
    for (let key = 0; key < this.keyCount; key++) {
      const end = this.keyRanges[key * 2 + 1] as number;
      const headBytes = (this.keyRanges[key * 2] as number) - from;
      if (numberOf[key] === 0) {
        this.bytes.copyWithin(length, from, end);
        this.keyRanges[kept * 2] = length + headBytes;
        length += end - from;
        this.keyRanges[kept * 2 + 1] = length;
        this.hashes[kept] = this.hashes[key] as number;
        numberOf[key] = kept++;
      }
      from = end;
    }
    this.keyCount = kept;
    this.byteLength = length;
    let waits = 0;
    for (let wait = 0; wait < this.waitCount; wait++) {
      const member = this.waits[wait * 3] as number;
      if (this.members[member] === null) continue;
      this.waits[waits * 3] = member;
      this.waits[waits * 3 + 1] = numberOf[this.waits[wait * 3 + 1] as number] as number;
      this.waits[waits * 3 + 2] = this.waits[wait * 3 + 2] as number;
      waits++;
    }
    this.waitCount = waits;
  }

  /** A lookup joins; returns its number. */
  join(lookup: FeatureLookup): number {
    this.members[this.joined] = lookup;
    this.memberCount++;
    return this.joined++;
  }

  /** A lookup leaves: nothing is placed for it any more. */
  leave(lookup: FeatureLookup): void {
    const member = this.memberOf(lookup);
    if (member < 0) return;
    this.members[member] = null;
    this.memberCount--;
  }

  /**
   * Finds the answered row of every key. `rowKeys` are start and end of each row's key parts in the message. Rows nobody asked for are
   * left out; of two rows for a key the first counts. A store that echoes no keys at all is believed if it answers as many rows as were
   * asked. Returns whether row i answers key i throughout.
   */
  matchRows(message: Uint8Array, rowKeys: Int32Array, rows: number): boolean {
    if (this.rowOf.length < this.keyCount) this.rowOf = new Int32Array(Math.max(this.keyCount, this.rowOf.length * 2));
    const rowOf = this.rowOf;
    const inOrder = this.#rowsInOrder(message, rowKeys, Math.min(rows, this.keyCount));
    for (let key = 0; key < inOrder; key++) rowOf[key] = key;
    if (inOrder === this.keyCount) return true;
    if (inOrder === 0 && rows === this.keyCount && hasNoKeys(rowKeys, rows)) {
      for (let key = 0; key < rows; key++) rowOf[key] = key;
      return true;
    }
    rowOf.fill(-1, inOrder, this.keyCount);
    this.#byHash.clear();
    for (let key = inOrder; key < this.keyCount; key++) {
      this.#byHash.insert(hashOf(this.bytes, this.keyRanges[key * 2] as number, this.keyRanges[key * 2 + 1] as number), key + 1);
    }
    for (let row = inOrder; row < rows; row++) {
      const start = rowKeys[row * 2] as number;
      const hash = hashOf(message, start, rowKeys[row * 2 + 1] as number);
      for (let place = this.#byHash.first(hash); place >= 0; place = this.#byHash.next(place, hash)) {
        const key = this.#byHash.value(place) - 1;
        if (rowOf[key] !== -1 || !this.#isKey(key, message, rowKeys, row)) continue;
        rowOf[key] = row;
        break;
      }
    }
    return false;
  }

  /** Ready for the next use. */
  clear(): void {
    this.layout = null;
    this.call = null;
    this.failedWith = null;
    this.place = -1;
    this.keyCount = 0;
    this.byteLength = 0;
    for (let member = 0; member < this.joined; member++) this.members[member] = null;
    this.joined = 0;
    this.memberCount = 0;
    this.waitCount = 0;
  }

  /** How many of the first rows answer the keys of the same place: all of them, as a rule. Many are compared four bytes at a time. */
  #rowsInOrder(message: Uint8Array, rowKeys: Int32Array, most: number): number {
    if (most < leastKeysForViews) {
      let row = 0;
      while (row < most && this.#isKey(row, message, rowKeys, row)) row++;
      return row;
    }
    const { bytes, keyRanges } = this;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const answer = new DataView(message.buffer, message.byteOffset, message.byteLength);
    for (let row = 0; row < most; row++) {
      const start = rowKeys[row * 2] as number;
      const from = keyRanges[row * 2] as number;
      const length = (keyRanges[row * 2 + 1] as number) - from;
      if ((rowKeys[row * 2 + 1] as number) - start !== length) return row;
      let index = 0;
      for (; index + 4 <= length; index += 4) if (answer.getInt32(start + index) !== view.getInt32(from + index)) return row;
      for (; index < length; index++) if (message[start + index] !== bytes[from + index]) return row;
    }
    return most;
  }

  #isKey(key: number, message: Uint8Array, rowKeys: Int32Array, row: number): boolean {
    const start = rowKeys[row * 2] as number;
    const from = this.keyRanges[key * 2] as number;
    const length = (this.keyRanges[key * 2 + 1] as number) - from;
    if ((rowKeys[row * 2 + 1] as number) - start !== length) return false;
    for (let index = 0; index < length; index++) if (message[start + index] !== this.bytes[from + index]) return false;
    return true;
  }

  #reserve(more: number): void {
    if (this.bytes.length >= this.byteLength + more) return;
    const next = new Uint8Array(Math.max(this.byteLength + more, this.bytes.length * 2));
    next.set(this.bytes.subarray(0, this.byteLength));
    this.bytes = next;
  }
}

function isPartHead(bytes: Uint8Array, at: number, textAt: number, length: number): boolean {
  let value = 0;
  let scale = 1;
  for (let index = at + 1; index < textAt; index++) {
    value += ((bytes[index] as number) & 0x7f) * scale;
    scale *= 128;
  }
  return value === length && (bytes[textAt - 1] as number) < 0x80;
}

function hasNoKeys(rowKeys: Int32Array, rows: number): boolean {
  for (let row = 0; row < rows; row++) if (rowKeys[row * 2] !== rowKeys[row * 2 + 1]) return false;
  return true;
}

function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function grow(list: Int32Array, needed: number): Int32Array<ArrayBuffer> {
  const next = new Int32Array(Math.max(needed, list.length * 2));
  next.set(list);
  return next;
}
