import { type Block, CellStatus } from '@inferflow/matrix';
import { type InferflowRequestScan, NamedTextsScan, PositionList, placedCells, placeTexts } from '@inferflow/proto/hot';
import { putBroadcastBytes } from './request-blocks.js';
import type { InferflowTables } from './request-schema.js';
import type { Violations } from './violations.js';

/*
 * An entity of three ids with one feature, and its place in block 0, whose heap is the message: a row is words of 32 bits, two a slot.
 *
 *   message      0a name | 12 id 0 | 12 id 1 | 12 id 2 | 1a feature: 0a name | 12 value 0 | 12 value 1 | 12 value 2
 *   row r        … | 2 × slot: where id r starts in the message | its length | … | 2 × featureSlots[0]: value r | its length | …
 *                └ word r × stride / 4                            └ 0 = missing
 *
 * An entity of one id for all rows is one cell of the broadcast block, whose heap is its own: the id is copied there.
 */

const named = new NamedTextsScan();
const features = new PositionList();
const oneText = new Int32Array(2);

/**
 * Puts ids and features of a `RetrieveModelScore` request into block 0 and the broadcast block. False = malformed. With
 * `isLenient` (compat) lists of another length are padded or cut and features of another length are left out, without a word.
 */
export function adaptEntities(
  message: Uint8Array,
  scan: InferflowRequestScan,
  tables: InferflowTables,
  isLenient: boolean,
  rows: Block,
  broadcast: Block | null,
  violations: Violations,
): boolean {
  const { entities } = scan;
  for (let index = 0; index < entities.count; index++) {
    features.clear();
    const start = entities.start(index);
    const end = entities.end(index);
    const table = tables.entities[index];
    if (table === undefined || !named.read(message, start, end, features)) return false;
    if (table.isBroadcast) {
      if (placeTexts(message, start, end, oneText.fill(0), 0, 0, 1) < 0) return false;
      if (broadcast === null) return false;
      putBroadcastBytes(broadcast, table.slot, message, oneText[0] as number, (oneText[0] as number) + (oneText[1] as number));
    } else {
      const count = named.textCount;
      if (count !== rows.rowCount && !isLenient) {
        violations.add(
          `entities[${index}].ids`,
          `entities[${index}].ids has ${count} ids where the first entity has ${rows.rowCount}; give one, or one per row`,
        );
      }
      if (!placeColumn(message, start, end, rows, table.slot)) return false;
    }
    for (let at = 0; at < features.count; at++) {
      const slot = table.featureSlots[at] as number;
      if (!named.read(message, features.start(at), features.end(at), null)) return false;
      const count = named.textCount;
      if (count !== rows.rowCount && placeTexts(message, features.start(at), features.end(at), oneText, 0, 0, 0) < 0) return false;
      const field = `entities[${index}].features[${at}].ids_feature_value`;
      if (count !== rows.rowCount && isLenient) markColumn(rows, slot, 0);
      else if (count !== rows.rowCount) violations.add(field, `${field} has ${count} values; it needs one per row, ${rows.rowCount}`);
      else if (!placeColumn(message, features.start(at), features.end(at), rows, slot)) return false;
    }
  }
  return true;
}

function placeColumn(message: Uint8Array, start: number, end: number, block: Block, slot: number): boolean {
  const stride = block.shape.stride >>> 2;
  if (placeTexts(message, start, end, block.memory.words, slot * 2, stride, block.rowCount) < 0) return false;
  markColumn(block, slot, placedCells);
  return true;
}

function markColumn(block: Block, slot: number, filled: number): void {
  const stride = block.shape.stride >>> 2;
  const words = block.memory.words;
  for (let row = 0, at = slot * 2 + 1; row < block.rowCount; row++, at += stride) {
    const isProvided = filled === block.rowCount || (filled > 0 && words[at] !== 0);
    block.markCell(row, slot, isProvided ? CellStatus.provided : CellStatus.missing);
  }
}
