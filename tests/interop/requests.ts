import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  DataType,
  PairWiseRequestSchema,
  type PointWiseRequest,
  PointWiseRequestSchema,
  type PointWiseResponse,
  SlateWiseRequestSchema,
} from '../../packages/proto/src/index.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Four bytes, little-endian. */
export function float32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return bytes;
}

/** Two targets with a + b = 3 and 30.5, in text; with changes on top. */
export function sumRequest(changes: MessageInitShape<typeof PointWiseRequestSchema> = {}): PointWiseRequest {
  return create(PointWiseRequestSchema, {
    modelConfigId: 'sum',
    trackingId: 'track-1',
    targetInputSchema: [
      { name: 'a', dataType: DataType.DataTypeFP32 },
      { name: 'b', dataType: DataType.DataTypeFP32 },
    ],
    targets: [
      { id: 'one', featureValues: [text('1'), text('2')] },
      { id: 'two', featureValues: [text('10.5'), text('20')] },
    ],
    ...changes,
  });
}

/** The same for a model that reads values by their declared types. */
export function typedRequest(changes: MessageInitShape<typeof PointWiseRequestSchema> = {}): PointWiseRequest {
  return sumRequest({
    modelConfigId: 'sum-typed',
    targets: [
      { id: 'one', featureValues: [float32(1), float32(2)] },
      { id: 'two', featureValues: [float32(10.5), float32(20)] },
    ],
    ...changes,
  });
}

/** A pair of the two targets, with changes on top. */
export function pairRequest(changes: MessageInitShape<typeof PairWiseRequestSchema> = {}) {
  const { modelConfigId, trackingId, targetInputSchema, targets } = sumRequest();
  return create(PairWiseRequestSchema, {
    modelConfigId,
    trackingId,
    targetInputSchema,
    targets,
    pairs: [{ firstTargetIndex: 0, secondTargetIndex: 1 }],
    ...changes,
  });
}

/** A slate of the two targets, with changes on top. */
export function slateRequest(changes: MessageInitShape<typeof SlateWiseRequestSchema> = {}) {
  const { modelConfigId, trackingId, targetInputSchema, targets } = sumRequest();
  return create(SlateWiseRequestSchema, {
    modelConfigId,
    trackingId,
    targetInputSchema,
    targets,
    slates: [{ targetIndices: [1, 0] }],
    ...changes,
  });
}

/** Ids and totals of an answer, as `one=3`. */
export function totalsOf(answer: PointWiseResponse): string[] {
  const id = answer.targetOutputSchema.findIndex(({ name }) => name === 'item_id');
  const total = answer.targetOutputSchema.findIndex(({ name }) => name === 'total');
  return answer.targetScores.map(({ outputValues, error }) => {
    const bytes = outputValues[total] as Uint8Array;
    const value = bytes.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true) : `${bytes.length} bytes`;
    return `${new TextDecoder().decode(outputValues[id])}=${value}${error === '' ? '' : ` (${error})`}`;
  });
}

/** What {@link sumRequest} and {@link typedRequest} must come to. */
export const rightTotals = ['one=3', 'two=30.5'];
