import { DataType, dataTypeInfo } from '@inferflow/matrix';

/** What a type name of a log schema means to its readers. */
export interface LogType {
  /** As the schema spells it. */
  readonly text: string;
  readonly dataType: DataType;
  /** Bytes of a scalar in the proto layout; 0 = length-prefixed (texts, BYTES, vectors); −1 = a name that readers skip without reading a byte. */
  readonly width: number;
  /** `BYTES`: readers expect a second length in front of the content. */
  readonly isBytes: boolean;
  readonly isVector: boolean;
  readonly isText: boolean;
}

const elements: ReadonlyMap<string, DataType> = new Map<string, DataType>([
  ['INT8', DataType.Int8],
  ['I8', DataType.Int8],
  ['INT16', DataType.Int16],
  ['I16', DataType.Int16],
  ['SHORT', DataType.Int16],
  ['INT32', DataType.Int32],
  ['I32', DataType.Int32],
  ['INT', DataType.Int32],
  ['INT64', DataType.Int64],
  ['I64', DataType.Int64],
  ['LONG', DataType.Int64],
  ['UINT8', DataType.Uint8],
  ['U8', DataType.Uint8],
  ['UINT16', DataType.Uint16],
  ['U16', DataType.Uint16],
  ['UINT32', DataType.Uint32],
  ['U32', DataType.Uint32],
  ['UINT64', DataType.Uint64],
  ['U64', DataType.Uint64],
  ['FP8E5M2', DataType.FP8E5M2],
  ['FP8E4M3', DataType.FP8E4M3],
  ['FP16', DataType.FP16],
  ['FLOAT16', DataType.FP16],
  ['F16', DataType.FP16],
  ['FP32', DataType.FP32],
  ['FLOAT32', DataType.FP32],
  ['F32', DataType.FP32],
  ['FLOAT', DataType.FP32],
  ['FP64', DataType.FP64],
  ['FLOAT64', DataType.FP64],
  ['F64', DataType.FP64],
  ['DOUBLE', DataType.FP64],
  ['BOOL', DataType.Bool],
  ['BOOLEAN', DataType.Bool],
  ['STRING', DataType.String],
  ['STR', DataType.String],
]);

/** A type name as readers compare it: upper case, without `_` and `DataType`. */
export function normalisedTypeName(text: string): string {
  return text.trim().toUpperCase().replaceAll('_', '').replaceAll('DATATYPE', '');
}

const known = new Map<string, LogType>();

/** The meaning of a type name, in any of the spellings that configurations and readers use. */
export function parseLogType(text: string): LogType {
  let type = known.get(text);
  if (type === undefined) {
    type = describe(text);
    // Names come from configurations; a bound keeps a stream of odd schemas from filling memory.
    if (known.size < 4096) known.set(text, type);
  }
  return type;
}

function describe(text: string): LogType {
  const name = normalisedTypeName(text);
  if (name === 'BYTES') return { text, dataType: DataType.String, width: 0, isBytes: true, isVector: false, isText: true };
  if (name.includes('VECTOR')) {
    const element = elements.get(name.replace('VECTOR', '')) ?? DataType.Unknown;
    return { text, dataType: dataTypeInfo(element).vectorType, width: 0, isBytes: false, isVector: true, isText: false };
  }
  const dataType = elements.get(name) ?? DataType.Unknown;
  const isText = dataType === DataType.String;
  const width = isText ? 0 : dataType === DataType.Unknown ? -1 : dataTypeInfo(dataType).elementBytes;
  return { text, dataType, width, isBytes: false, isVector: false, isText };
}
