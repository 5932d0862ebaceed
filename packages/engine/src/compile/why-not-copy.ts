import type { ComponentBinding } from '@inferflow/components';
import { DataType, dataTypeInfo, isSlateRef, NONE, refBlock, refSlot } from '@inferflow/matrix';
import { isDeclaredByRequest, type Layouts } from './explain-binding.js';
import { type ModelPlan, TargetBlock } from './model-plan.js';

/** What keeps a column from being copied, in the order in which it is told. */
const columnReasons = {
  givenAsText: 'given by the request as text',
  givenAsDeclared: 'given by the request, in the type it declares',
  constant: 'constants of the model',
  perSlate: 'one value per slate',
  otherType: 'of another type',
  anyLength: 'vectors whose length the configuration does not state',
  nowhere: 'not in the target matrix',
} as const;
type ColumnReason = keyof typeof columnReasons;

type Read = ComponentBinding['reads'][number];

/** What keeps a tensor from being one copy of a block. */
export function whyNotCopy(plan: ModelPlan, read: Read, v2Type: string, learned: Layouts): string {
  const named = new Map<ColumnReason, string[]>();
  const add = (reason: ColumnReason, text: string): void => {
    const texts = named.get(reason);
    if (texts === undefined) named.set(reason, [text]);
    else texts.push(text);
  };
  const blocks = new Set<string>();
  const slots: number[] = [];
  read.sources.forEach((source, index) => {
    const name = read.spec.columns[index] as string;
    const ref = source?.first ?? NONE;
    const block = refBlock(ref);
    const isSlate = isSlateRef(ref);
    const slot = (isSlate ? learned.slate : learned.target)?.shapes[block]?.slots[refSlot(ref)];
    if (slot === undefined) return add('nowhere', name);
    blocks.add(`${isSlate} ${block}`);
    slots.push(refSlot(ref));
    const { elementType, name: typeName } = dataTypeInfo(slot.type);
    if (isSlate) add('perSlate', name);
    else if (block === TargetBlock.constants) return add('constant', name);
    else if (block < TargetBlock.firstComponent) return add(isDeclaredByRequest(plan, name) ? 'givenAsDeclared' : 'givenAsText', name);
    if (dataTypeInfo(elementType).v2Name !== v2Type) return add('otherType', `${name} (${typeName} → ${v2Type})`);
    if (slot.isVariable && slot.type !== DataType.String) add('anyLength', name);
  });
  const reasons = Object.entries(columnReasons).flatMap(([reason, text]) => {
    const columns = named.get(reason as ColumnReason);
    return columns === undefined ? [] : [`${text}: ${columns.join(', ')}`];
  });
  if (blocks.size > 1) reasons.push(`columns of ${blocks.size} blocks`);
  if (reasons.length === 0) reasons.push(v2Type === 'BYTES' ? 'texts are written with their lengths' : whyRuns(slots));
  return reasons.join('; ');
}

/** Why columns of one block, all of the tensor's type, are no copy of it. */
function whyRuns(slots: readonly number[]): string {
  if (new Set(slots).size < slots.length) return 'a column is named more than once';
  if (slots.some((slot, index) => index > 0 && slot < (slots[index - 1] as number)))
    return 'the block is laid out for a reader that wants another order';
  return 'the block has other columns too';
}
