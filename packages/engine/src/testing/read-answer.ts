import { type DataType, decodeValue } from '@inferflow/matrix';
import type { PointWiseResponse } from '@inferflow/proto';

interface Rows {
  readonly targetOutputSchema: PointWiseResponse['targetOutputSchema'];
  readonly targetScores: PointWiseResponse['targetScores'];
}

/** Target rows as plain values: null where a cell is empty. */
export function readRows({ targetOutputSchema, targetScores }: Rows): readonly Readonly<Record<string, unknown>>[] {
  return targetScores.map(({ outputValues }) =>
    Object.fromEntries(
      targetOutputSchema.map(({ name, dataType }, column) => {
        const bytes = outputValues[column] ?? new Uint8Array(0);
        return [name, bytes.length === 0 ? null : decodeValue(dataType as number as DataType, bytes)];
      }),
    ),
  );
}

const encoder = new TextEncoder();

/** A text as the bytes of a value. */
export function text(value: string): Uint8Array {
  return encoder.encode(value);
}
