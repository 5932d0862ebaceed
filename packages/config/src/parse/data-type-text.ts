import { closestName } from '@inferflow/dag';
import { DataType, dataTypeInfo, dataTypes, parseDataType, v2ElementBytes } from '@inferflow/matrix';
import { describeValue } from '../json-path.js';
import type { ParseContext } from './parse-context.js';

const typeNames = dataTypes.filter((info) => info.dataType !== DataType.Unknown).map((info) => info.name);
const shortNames = typeNames.map((name) => name.replace(/^DataType/, ''));
const v2Names = [...dataTypes.flatMap((info) => info.v2Name ?? []), 'BF16'];

/** A cell type by any of its spellings; an unknown one is reported and FP32 stands in. */
export function readDataType(context: ParseContext, text: string, path: string): DataType {
  const found = parseDataType(text);
  if (found !== undefined && found !== DataType.Unknown) return found;
  // In the spelling of the config.
  reportUnknown(context, text, path, /^\s*datatype/i.test(text) ? typeNames : shortNames);
  return DataType.FP32;
}

/**
 * A tensor type as the model server spells it (`FP32`, `INT64`, `BYTES`, `BF16`), from any spelling; a vector type gives its
 * element's. Types the protocol does not have (FP8) and unknown ones are reported and FP32 stands in.
 */
export function readTensorType(context: ParseContext, text: string, path: string): string {
  const upper = text
    .trim()
    .toUpperCase()
    .replace(/^DATATYPE/, '');
  if (v2ElementBytes(upper) > 0 || upper === 'BYTES') return upper;
  const found = parseDataType(text);
  const v2Name = found === undefined ? null : dataTypeInfo(dataTypeInfo(found).elementType).v2Name;
  if (v2Name !== null) return v2Name;
  reportUnknown(context, text, path, v2Names);
  return 'FP32';
}

function reportUnknown(context: ParseContext, text: string, path: string, known: readonly string[]): void {
  const details = {
    found: describeValue(text),
    expected: `one of ${known.join(', ')}`,
    suggestion: text === '' ? undefined : closestName(text, known),
  };
  context.report(
    'INFERFLOW_CONFIG_UNKNOWN_DATA_TYPE',
    path,
    `${text === '' ? 'no data type is given' : `unknown data type ${describeValue(text)}`}`,
    details,
  );
}
