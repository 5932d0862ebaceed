import type { ArrowColumn } from './arrow-stream.js';
import type { GrowingBytes } from './growing-bytes.js';
import type { LogRows } from './log-rows.js';

/** Gathers the cells of one schema feature for rows `from … to−1`. Empty cells are null, as readers take them. */
export function gatherColumn(rows: LogRows, feature: number, from: number, to: number, data: GrowingBytes): ArrowColumn {
  const count = to - from;
  const offsets = new Int32Array(count + 1);
  const validity = new Uint8Array((count + 7) >> 3);
  let nulls = 0;
  data.reset();
  for (let index = 0; index < count; index++) {
    if (rows.load(feature, from + index)) {
      data.append(rows.bytes, rows.start, rows.length);
      validity[index >> 3] = (validity[index >> 3] as number) | (1 << (index & 7));
    } else nulls++;
    offsets[index + 1] = data.end;
  }
  return { offsets, data: data.toBytes(), validity, nulls };
}
