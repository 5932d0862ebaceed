import { type BlockShape, createBlockShape, dataTypeInfo, type SlotSpec } from '@inferflow/matrix';

/** A tensor that some component of the plan builds: its columns in order. */
export interface TensorColumns {
  readonly columns: readonly string[];
  /** V2 name, such as `FP32`. */
  readonly type: string;
}

/** A component's block. */
export interface PlannedBlock {
  readonly shape: BlockShape;
  /** Declared write i → slot. */
  readonly slotOf: readonly number[];
}

// Of a vector whose length only answers tell.
const guessedElements = 16;

/**
 * Lays out the block of one writer: first the columns of its largest reader among the tensors that need no conversion, in that
 * tensor's order, so that building the tensor is one copy; then fixed columns by falling width; then variable ones. Vectors keep their
 * place in that order although their cells stand in the heap until answers have told how long they are.
 */
export function planBlock(slots: readonly SlotSpec[], tensors: readonly TensorColumns[]): PlannedBlock {
  const order = favouriteOrder(slots, tensors);
  const taken = new Set(order);
  const rest = slots.map((_, index) => index).filter((index) => !taken.has(index));
  const widthOf = (index: number) => slots[index]?.width ?? 0;
  rest.sort((left, right) => widthOf(right) - widthOf(left) || left - right);
  order.push(...rest);
  const slotOf = new Array<number>(slots.length);
  order.forEach((declared, slot) => {
    slotOf[declared] = slot;
  });
  return { shape: createBlockShape(order.map((declared) => slots[declared] as SlotSpec)), slotOf };
}

/** Declared indices of the columns that the best tensor copies as they are, in its order; a column that it repeats counts once. */
function favouriteOrder(slots: readonly SlotSpec[], tensors: readonly TensorColumns[]): number[] {
  const indexOf = new Map(slots.map((slot, index) => [slot.name, index] as const));
  let best: number[] = [];
  let bestBytes = 0;
  for (const tensor of tensors) {
    const order: number[] = [];
    const seen = new Set<number>();
    let bytes = 0;
    for (const column of tensor.columns) {
      const index = indexOf.get(column);
      if (index === undefined || seen.has(index)) continue;
      const slot = slots[index] as SlotSpec;
      const { elementType, elementBytes, isVector } = dataTypeInfo(slot.type);
      if (dataTypeInfo(elementType).v2Name !== tensor.type) continue;
      const width = slot.width ?? (isVector ? elementBytes * guessedElements : 0);
      if (width === 0) continue;
      seen.add(index);
      order.push(index);
      bytes += width;
    }
    if (bytes > bestBytes) {
      best = order;
      bestBytes = bytes;
    }
  }
  return best;
}
