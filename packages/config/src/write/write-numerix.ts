import { emptyRecord, type JsonObject, type JsonValue } from '../json.js';
import type { NumerixComponentConfig } from '../model-config.js';
import { canBeKeys, type DocumentWriter } from './document-writer.js';

/** Writes a numerix component in the writer's dialect. */
export function writeNumerix(
  writer: DocumentWriter,
  component: NumerixComponentConfig,
  place: string,
  nameScore: (score: string) => string,
): JsonObject {
  return writer.object('numerix', place, {
    name: component.componentName,
    componentId: component.componentId,
    scoreColumn: nameScore(component.scoreColumn),
    dataType: component.dataTypeText,
    computeId: component.computeId === '' ? undefined : component.computeId,
    expression: component.expression,
    mapping: writer.dialect === 'documented' ? writeVariables(writer, component, place) : writeMapping(component),
    slate: component.scope === 'slate' ? true : undefined,
    deadline: component.deadlineMs,
    batchSize: component.batchSize,
    onFailure: component.onFailure === 'default' ? undefined : component.onFailure,
  });
}

function writeMapping({ variables }: NumerixComponentConfig): JsonObject {
  const mapping = emptyRecord<JsonValue>();
  for (const { variable, dataTypeText, column } of variables) mapping[`${variable}@${dataTypeText}`] = column;
  return mapping;
}

function writeVariables(writer: DocumentWriter, { variables }: NumerixComponentConfig, place: string): JsonValue {
  const isPlain = variables.every(({ variable, column }) => variable === column) && canBeKeys(variables.map(({ column }) => column));
  if (!isPlain || writer.hasExtra(`${place}/variables`)) {
    return variables.map(({ variable, column, dataTypeText }, index) => {
      return writer.object('variable', `${place}/variables/${index}`, { variable, column, dataType: dataTypeText });
    });
  }
  const mapping = emptyRecord<JsonValue>();
  for (const { column, dataTypeText } of variables) mapping[column] = dataTypeText;
  return mapping;
}
