import { type Block, CellStatus, type IdentityTable } from '@inferflow/matrix';

// Used within one call, never across.
let joined = new Uint8Array(256);

/** Writes the text column of composite keys: the parts of each identity joined with `|`. Other components may use it as their key. */
export function putCompositeKeys(block: Block, slot: number, table: IdentityTable): void {
  for (let unique = 0; unique < table.uniqueCount; unique++) {
    let length = 0;
    for (let part = 0; part < table.partCount; part++) length += table.partLength(unique, part) + 1;
    if (joined.length < length) joined = new Uint8Array(length * 2);
    let at = 0;
    for (let part = 0; part < table.partCount; part++) {
      if (part > 0) joined[at++] = 0x7c;
      const start = table.partStart(unique, part);
      const source = table.partSource(part);
      for (let index = 0; index < table.partLength(unique, part); index++) joined[at++] = source[start + index] as number;
    }
    block.setBytes(unique, slot, joined, 0, at, CellStatus.fresh);
  }
}
