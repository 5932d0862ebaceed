import { isJsonObject, type JsonValue } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { NumerixComponentConfig, NumerixVariable } from '../model-config.js';
import { readDataType } from './data-type-text.js';
import { ObjectReader, reportType } from './object-reader.js';
import { readOnFailure, readScope } from './on-failure.js';
import { splitType } from './parse-feature.js';

/** Reads one numerix component. Names of columns are still as written; an empty `componentId` is filled in later. */
export function parseNumerix(reader: ObjectReader, componentName: string): NumerixComponentConfig {
  const what = `component ${JSON.stringify(componentName)}`;
  const isDocumented = reader.context.dialect === 'documented';
  const expression = reader.text('expression');
  const computeId = expression === '' ? reader.requiredText('computeId', what) : reader.text('computeId');
  const deadlineMs = reader.positive('deadline', 'ms');
  const batchSize = reader.positive('batchSize', 'rows');
  const dataTypeText = reader.text('dataType') || (isDocumented && reader.raw('dataType') !== '' ? 'FP32' : '');
  if (isDocumented && !reader.has('dataType')) reader.context.assume(reader.pathOf('dataType'), 'FP32', `type of the result of ${what}`);
  return {
    kind: 'numerix',
    componentName,
    onFailure: readOnFailure(reader),
    componentId: reader.text('componentId'),
    scoreColumn: reader.requiredText('scoreColumn', what),
    dataType: readDataType(reader.context, dataTypeText, reader.pathOf('dataType')),
    dataTypeText,
    computeId,
    variables: checkRepeats(reader, isDocumented ? readDocumentedVariables(reader) : readDeployedVariables(reader)),
    scope: readScope(reader),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(expression === '' ? {} : { expression }),
  };
}

function readDeployedVariables(reader: ObjectReader): readonly NumerixVariable[] {
  const path = reader.pathOf('mapping');
  let count = 0;
  return reader.map('mapping').flatMap(([key, column]) => {
    const at = joinPath(path, key);
    const { name: variable, typeText } = splitType(key);
    if (typeof column !== 'string') {
      reportType(reader.context, at, column, 'a column name');
      return [];
    }
    if (typeText === undefined) {
      const details = { found: key, expected: '<variable>@<data type>', suggestion: `${key}@DataTypeFP32` };
      reader.context.report('INFERFLOW_CONFIG_INVALID_VALUE', at, `variable ${JSON.stringify(key)} has no data type`, details);
      return [];
    }
    if (variable === '') reader.context.report('INFERFLOW_CONFIG_MISSING', at, 'a variable has no name', { found: describeValue(key) });
    if (column === '') reader.context.report('INFERFLOW_CONFIG_MISSING', at, `variable ${JSON.stringify(variable)} has no column`);
    reader.context.note(`${reader.place}/variables/${count++}`, at);
    return [{ variable, dataType: readDataType(reader.context, typeText, at), dataTypeText: typeText, column }];
  });
}

function readDocumentedVariables(reader: ObjectReader): readonly NumerixVariable[] {
  if (Array.isArray(reader.raw('mapping'))) {
    return reader
      .objects('mapping', 'variable', (index) => `${reader.place}/variables/${index}`)
      .map((variable, index) => {
        reader.context.note(`${reader.place}/variables/${index}`, variable.pathOf('column'));
        return readVariable(variable);
      });
  }
  const path = reader.pathOf('mapping');
  const entries = reader.map('mapping');
  for (const [index, [column]] of entries.entries()) reader.context.note(`${reader.place}/variables/${index}`, joinPath(path, column));
  if (entries.length > 0)
    reader.context.assume(path, entries.map(([column]) => column).join(', '), 'variables are named like their columns');
  if (entries.some(([column]) => column === ''))
    reader.invalid('mapping', 'score_mapping has an entry without a column name', { found: '""' });
  return entries.flatMap(([column, value], index) =>
    readMapped(reader, column, value, joinPath(path, column), `${reader.place}/variables/${index}`),
  );
}

function readMapped(reader: ObjectReader, column: string, value: JsonValue, path: string, place: string): readonly NumerixVariable[] {
  if (isJsonObject(value)) {
    const variable = new ObjectReader(reader.context, 'variable', { ...value, column }, path, place);
    return [readVariable(variable)];
  }
  if (typeof value !== 'string') {
    reportType(reader.context, path, value, 'a data type');
    return [];
  }
  return [{ variable: column, dataType: readDataType(reader.context, value, path), dataTypeText: value, column }];
}

function readVariable(reader: ObjectReader): NumerixVariable {
  const column = reader.requiredText('column', 'a variable');
  const dataTypeText = reader.text('dataType') || (reader.raw('dataType') === '' ? '' : 'FP32');
  if (!reader.has('dataType'))
    reader.context.assume(reader.pathOf('dataType'), 'FP32', `type of the variable for column ${JSON.stringify(column)}`);
  const dataType = readDataType(reader.context, dataTypeText, reader.pathOf('dataType'));
  return { variable: reader.text('variable') || column, dataType, dataTypeText, column };
}

function checkRepeats(reader: ObjectReader, variables: readonly NumerixVariable[]): readonly NumerixVariable[] {
  const seen = new Set<string>();
  for (const [index, { variable }] of variables.entries()) {
    if (seen.has(variable)) {
      const path = reader.context.places.get(`${reader.place}/variables/${index}`) ?? reader.pathOf('mapping');
      reader.context.report('INFERFLOW_CONFIG_INVALID_VALUE', path, `variable ${JSON.stringify(variable)} is declared twice`, {
        found: variable,
      });
    }
    seen.add(variable);
  }
  return variables;
}
