import { type Block, CellStatus } from '@inferflow/matrix';
import { putUtf8, utf8Size } from '@inferflow/proto/hot';

/**
 * Sets the status plane of a request block whose words (start, length per cell) are in place: `provided`, and `missing` where the
 * length is 0. `filled` = cells with a length; when all are, one mark does.
 */
export function markProvided(block: Block, filled: number): void {
  const slots = block.shape.slots.length;
  const rows = block.rowCount;
  if (rows === 0 || slots === 0) return;
  block.markRows(0, rows, CellStatus.provided);
  if (filled === rows * slots) return;
  const words = block.memory.words;
  for (let cell = 0, at = 1; cell < rows * slots; cell++, at += 2) {
    if (words[at] === 0) block.markCell((cell / slots) | 0, cell % slots, CellStatus.missing);
  }
}

/** Copies bytes into a cell of the broadcast block; none = missing. */
export function putBroadcastBytes(block: Block, slot: number, source: Uint8Array, from: number, to: number): void {
  if (to > from) block.setBytes(0, slot, source, from, to, CellStatus.provided);
  else block.markCell(0, slot, CellStatus.missing);
}

/** Writes a text into a cell of the broadcast block; '' = missing. */
export function putBroadcastText(block: Block, slot: number, text: string): void {
  if (text === '') {
    block.markCell(0, slot, CellStatus.missing);
    return;
  }
  const size = utf8Size(text);
  const start = block.reserveHeap(size);
  putUtf8(block.memory.bytes, start, text);
  block.setRange(0, slot, start, size, CellStatus.provided);
}
