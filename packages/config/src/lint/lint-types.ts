import { DataType, dataTypeInfo, parseDataType, resolveConversion } from '@inferflow/matrix';
import { readPath, settingPath, tensorFieldPath } from '../component-paths.js';
import type { NumerixComponentConfig, PredatorComponentConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import type { LintContext } from './lint-context.js';

/** Shapes that their columns cannot fill and types that cannot be converted. Columns of the request are not known here. */
export function lintTypes(context: LintContext): readonly Problem[] {
  return context.running.flatMap((component): readonly Problem[] => {
    if (component.kind === 'numerix') return checkVariables(context, component);
    if (component.kind !== 'predator') return [];
    // With the slate as a dimension, a tensor holds as many values as the slate has targets.
    const isPerRow = component.scope === 'target' || component.slateCalls !== 'dimension';
    return component.inputs.flatMap((_, index) => [
      ...(isPerRow ? checkShape(context, component, index) : []),
      ...checkInputTypes(context, component, index),
    ]);
  });
}

function checkShape({ config, columns }: LintContext, component: PredatorComponentConfig, index: number): readonly Problem[] {
  const input = component.inputs[index];
  if (input === undefined) return [];
  const fixed = input.shape.filter((dim) => dim > 0).reduce((product, dim) => product * dim, 1);
  const isOpen = input.shape.includes(-1);
  let least = 0;
  let isExact = true;
  for (const feature of input.features) {
    const facts = columns.get(feature);
    const isKnown = facts?.elements !== undefined && (input.dataType !== 'BYTES' || facts.elements === 1);
    least += isKnown ? (facts?.elements ?? 1) : 1;
    isExact &&= isKnown;
  }
  const fits = isOpen ? !isExact || least % fixed === 0 : isExact ? least === fixed : least <= fixed;
  if (fits) return [];
  const shape = JSON.stringify(input.shape);
  const message = `input tensor ${JSON.stringify(input.name)} has shape ${shape}, but its ${countOf(input.features.length, 'column')} ${input.features.length === 1 ? 'gives' : 'give'} ${isExact ? '' : 'at least '}${countOf(least, 'value')} per row`;
  const details = {
    found: `${isExact ? '' : 'at least '}${countOf(least, 'value')}`,
    expected: isOpen ? `a multiple of ${fixed}` : countOf(fixed, 'value'),
  };
  return [createProblem('INFERFLOW_CONFIG_SHAPE_MISMATCH', tensorFieldPath(config, component, 'inputs', index, 'shape'), message, details)];
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function checkInputTypes(context: LintContext, component: PredatorComponentConfig, index: number): readonly Problem[] {
  const { config, columns } = context;
  const input = component.inputs[index];
  const wanted = input === undefined ? undefined : parseDataType(input.dataType);
  // Everything has a text; BF16 is made of what has an FP32.
  if (input === undefined || wanted === undefined || wanted === DataType.String) return [];
  return input.features.flatMap((name, feature) => {
    const facts = columns.get(name);
    if (facts === undefined || facts.dataType === DataType.Unknown) return [];
    const to = dataTypeInfo(facts.dataType).isVector ? dataTypeInfo(wanted).vectorType : wanted;
    const path = (): string => readPath(config, component, { kind: 'input', index, feature });
    return checkConversion(context, name, facts.dataType, to, path, `input tensor ${JSON.stringify(input.name)}`);
  });
}

function checkVariables(context: LintContext, component: NumerixComponentConfig): readonly Problem[] {
  const { config, columns } = context;
  const resultPath = (): string => settingPath(config, component, 'dataType');
  const result = config.compat
    ? []
    : checkConversion(context, component.scoreColumn, DataType.FP32, component.dataType, resultPath, 'the result');
  const variables = component.variables.flatMap(({ variable, column }, index) => {
    const facts = columns.get(column);
    if (facts === undefined || facts.dataType === DataType.Unknown) return [];
    // A vector of one value is as good as a scalar.
    const from = facts.elements === 1 ? dataTypeInfo(facts.dataType).elementType : facts.dataType;
    const path = (): string => readPath(config, component, { kind: 'variable', index, feature: 0 });
    return checkConversion(context, column, from, DataType.FP32, path, `variable ${JSON.stringify(variable)}`);
  });
  return [...result, ...variables];
}

function checkConversion(
  context: LintContext,
  column: string,
  from: DataType,
  to: DataType,
  pathOf: () => string,
  reader: string,
): readonly Problem[] {
  const { config } = context;
  if (from === to) return [];
  const [found, expected] = [dataTypeInfo(from).name, dataTypeInfo(to).name];
  if (isConvertible(from, to, config.compat)) {
    if (from !== DataType.String || config.compat) return [];
    const message = `${reader} needs ${expected}, but column ${JSON.stringify(column)} is text; every value that is not a number becomes 0`;
    // The original reads such text too, so a model that came from there goes on serving.
    const severity = context.isStrict || config.requestValues === 'typed' ? 'error' : 'warning';
    return [createProblem('INFERFLOW_CONFIG_TEXT_AS_NUMBER', pathOf(), message, { found, expected, severity })];
  }
  const message = `${reader} needs ${expected}, but column ${JSON.stringify(column)} is ${found}, which cannot be converted`;
  return [createProblem('INFERFLOW_CONFIG_NO_CONVERSION', pathOf(), message, { found, expected })];
}

/** Conversions work on elements: a vector stays a vector, and text of several values has no numbers in it. */
function isConvertible(from: DataType, to: DataType, compat: boolean): boolean {
  if (dataTypeInfo(from).isVector !== dataTypeInfo(to).isVector || from === DataType.StringVector) return false;
  return resolveConversion(from, to, compat) !== null;
}
