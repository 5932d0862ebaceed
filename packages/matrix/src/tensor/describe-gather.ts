import type { GatherPlan, Variant } from './gather-plan.js';

/** A gather in words, for people who ask why a model input is not a plain copy. */
export function describeVariant(plan: GatherPlan, variant: Variant): string {
  if (plan.isText) return 'text';
  const [only] = variant.steps;
  if (variant.steps.length === 1 && only !== undefined && only.kind === 'run' && only.isCopy) {
    const stride = variant.shapes[only.block]?.stride;
    if (only.offset === 0 && only.sourceBytes === stride && plan.blocks[only.block]?.isSlate === false) return 'copy';
  }
  const parts: string[] = [];
  const runs = variant.steps.filter((step) => step.kind === 'run' && step.isCopy).length;
  if (runs > 0) parts.push(`gather ${runs} ${runs === 1 ? 'run' : 'runs'}`);
  let converted = 0;
  let texts = 0;
  let cells = 0;
  let defaults = 0;
  for (const step of variant.steps) {
    if (step.kind === 'run') {
      if (!step.isCopy) converted += step.sources;
      continue;
    }
    const source = variant.sources[step.source];
    const alternatives = [source?.first, source?.otherwise].filter((alternative) => alternative !== null && alternative !== undefined);
    if (!alternatives.some((alternative) => alternative.isCopy || alternative.convert !== null)) defaults++;
    else if (alternatives.some((alternative) => alternative.elementBytes === 0)) texts++;
    else if (alternatives.every((alternative) => alternative.isCopy)) cells++;
    else converted++;
  }
  if (converted > 0) parts.push(`convert ${converted} ${converted === 1 ? 'column' : 'columns'}`);
  if (texts > 0) parts.push(`parse ${texts} text ${texts === 1 ? 'column' : 'columns'}`);
  if (cells > 0) parts.push(`gather ${cells} ${cells === 1 ? 'column' : 'columns'} cell by cell`);
  if (defaults > 0) parts.push(`default for ${defaults} ${defaults === 1 ? 'column' : 'columns'}`);
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}
