import { DataType, dataTypeInfo, parseDataType, resolveConversion } from '@inferflow/matrix';
import { componentPath } from '../component-paths.js';
import type { ModelConfig, ModelInput, NumerixComponentConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { type ColumnFacts, columnTable, isInGraph } from './column-table.js';

/** Shapes that their columns cannot fill and types that cannot be converted. Columns of the request are not known here. */
export function lintTypes(config: ModelConfig): readonly Problem[] {
  const columns = columnTable(config);
  return config.components.flatMap((component): readonly Problem[] => {
    if (!isInGraph(config, component.componentName)) return [];
    const path = componentPath(config, component);
    if (component.kind === 'predator') {
      // With the slate as a dimension, a tensor holds as many values as the slate has targets.
      const isPerRow = component.scope === 'target' || component.slateCalls !== 'dimension';
      return component.inputs.flatMap((input) => [
        ...(isPerRow ? checkShape(input, columns, path) : []),
        ...checkInputTypes(config, input, columns, path),
      ]);
    }
    return component.kind === 'numerix' ? checkVariables(config, component, columns, path) : [];
  });
}

function checkShape(input: ModelInput, columns: ReadonlyMap<string, ColumnFacts>, path: string): readonly Problem[] {
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
  const message = `input tensor ${JSON.stringify(input.name)} has shape ${shape}, but its ${input.features.length} columns give ${isExact ? '' : 'at least '}${least} values per row`;
  const details = {
    found: `${isExact ? '' : 'at least '}${least} values`,
    expected: isOpen ? `a multiple of ${fixed}` : `${fixed} values`,
  };
  return [createProblem('INFERFLOW_CONFIG_SHAPE_MISMATCH', path, message, details)];
}

function checkInputTypes(
  config: ModelConfig,
  input: ModelInput,
  columns: ReadonlyMap<string, ColumnFacts>,
  path: string,
): readonly Problem[] {
  const wanted = parseDataType(input.dataType);
  // Everything has a text; BF16 is passed through as it is.
  if (wanted === undefined || wanted === DataType.String) return [];
  return input.features.flatMap((name) => {
    const facts = columns.get(name);
    if (facts === undefined || facts.dataType === DataType.Unknown) return [];
    const to = dataTypeInfo(facts.dataType).isVector ? dataTypeInfo(wanted).vectorType : wanted;
    return checkConversion(config, name, facts.dataType, to, path, `input tensor ${JSON.stringify(input.name)}`);
  });
}

function checkVariables(
  config: ModelConfig,
  component: NumerixComponentConfig,
  columns: ReadonlyMap<string, ColumnFacts>,
  path: string,
): readonly Problem[] {
  const result = config.compat ? [] : checkConversion(config, component.scoreColumn, DataType.FP32, component.dataType, path, 'the result');
  const variables = component.variables.flatMap(({ variable, column }) => {
    const facts = columns.get(column);
    if (facts === undefined || facts.dataType === DataType.Unknown) return [];
    // A vector of one value is as good as a scalar.
    const from = facts.elements === 1 ? dataTypeInfo(facts.dataType).elementType : facts.dataType;
    return checkConversion(config, column, from, DataType.FP32, path, `variable ${JSON.stringify(variable)}`);
  });
  return [...result, ...variables];
}

function checkConversion(
  config: ModelConfig,
  column: string,
  from: DataType,
  to: DataType,
  path: string,
  reader: string,
): readonly Problem[] {
  if (from === to || isConvertible(from, to, config.compat)) return [];
  const [found, expected] = [dataTypeInfo(from).name, dataTypeInfo(to).name];
  const message = `${reader} needs ${expected}, but column ${JSON.stringify(column)} is ${found}, which cannot be converted`;
  return [createProblem('INFERFLOW_CONFIG_NO_CONVERSION', path, message, { found, expected })];
}

/** Conversions work on elements: a vector stays a vector, and text of several values has no numbers in it. */
function isConvertible(from: DataType, to: DataType, compat: boolean): boolean {
  if (dataTypeInfo(from).isVector !== dataTypeInfo(to).isVector || from === DataType.StringVector) return false;
  return resolveConversion(from, to, compat) !== null;
}
