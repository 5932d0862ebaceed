import { joinByteTexts, splitByteTexts } from '@inferflow/matrix';
import type { InferTensorContents } from '@inferflow/proto';
import { ModelServerError } from '../errors.js';
import { elementBytes } from '../tensor.js';

/** The lists of `InferTensorContents`. */
type ContentsField =
  | 'boolContents'
  | 'intContents'
  | 'int64Contents'
  | 'uintContents'
  | 'uint64Contents'
  | 'fp32Contents'
  | 'fp64Contents'
  | 'bytesContents';

const FIELDS: readonly ContentsField[] = [
  'boolContents',
  'intContents',
  'int64Contents',
  'uintContents',
  'uint64Contents',
  'fp32Contents',
  'fp64Contents',
  'bytesContents',
];

/** How values of a datatype are listed: where, and how one goes into and out of raw bytes. */
interface TypedForm {
  readonly field: ContentsField;
  readonly put: (view: DataView, at: number, value: never) => void;
  readonly get: (view: DataView, at: number) => boolean | number | bigint;
  /** Range of the values, for types that are listed in wider ones. */
  readonly range?: readonly [least: number, most: number];
}

const FORMS: Readonly<Record<string, TypedForm>> = {
  BOOL: {
    field: 'boolContents',
    put: (view, at, value: boolean) => view.setUint8(at, value ? 1 : 0),
    get: (view, at) => view.getUint8(at) !== 0,
  },
  INT8: {
    field: 'intContents',
    put: (view, at, value: number) => view.setInt8(at, value),
    get: (view, at) => view.getInt8(at),
    range: [-128, 127],
  },
  INT16: {
    field: 'intContents',
    put: (view, at, value: number) => view.setInt16(at, value, true),
    get: (view, at) => view.getInt16(at, true),
    range: [-32768, 32767],
  },
  INT32: {
    field: 'intContents',
    put: (view, at, value: number) => view.setInt32(at, value, true),
    get: (view, at) => view.getInt32(at, true),
  },
  INT64: {
    field: 'int64Contents',
    put: (view, at, value: bigint) => view.setBigInt64(at, value, true),
    get: (view, at) => view.getBigInt64(at, true),
  },
  UINT8: {
    field: 'uintContents',
    put: (view, at, value: number) => view.setUint8(at, value),
    get: (view, at) => view.getUint8(at),
    range: [0, 255],
  },
  UINT16: {
    field: 'uintContents',
    put: (view, at, value: number) => view.setUint16(at, value, true),
    get: (view, at) => view.getUint16(at, true),
    range: [0, 65535],
  },
  UINT32: {
    field: 'uintContents',
    put: (view, at, value: number) => view.setUint32(at, value, true),
    get: (view, at) => view.getUint32(at, true),
  },
  UINT64: {
    field: 'uint64Contents',
    put: (view, at, value: bigint) => view.setBigUint64(at, value, true),
    get: (view, at) => view.getBigUint64(at, true),
  },
  FP32: {
    field: 'fp32Contents',
    put: (view, at, value: number) => view.setFloat32(at, value, true),
    get: (view, at) => view.getFloat32(at, true),
  },
  FP64: {
    field: 'fp64Contents',
    put: (view, at, value: number) => view.setFloat64(at, value, true),
    get: (view, at) => view.getFloat64(at, true),
  },
};

/** Whether values of a datatype can be listed at all; `FP16` and `BF16` exist as raw bytes only. */
export function hasTypedForm(datatype: string): boolean {
  return datatype === 'BYTES' || FORMS[datatype] !== undefined;
}

/** Name of a list as the protocol spells it. */
function protoName(field: ContentsField): string {
  return field.replace('Contents', '_contents');
}

/** Whether any list of contents has a value. */
export function isEmptyContents(contents: InferTensorContents | undefined): boolean {
  return contents === undefined || FIELDS.every((field) => contents[field].length === 0);
}

/**
 * Raw bytes of listed values.
 *
 * @throws ModelServerError INFERFLOW_MODEL_SERVER_INPUT_INVALID when they stand in the wrong list or out of range
 */
export function contentsToRaw(input: string, datatype: string, contents: InferTensorContents | undefined): Uint8Array {
  if (elementBytes(datatype) < 0) throw invalid(`Input '${input}': unknown datatype '${datatype}'`);
  if (!hasTypedForm(datatype)) throw invalid(`Input '${input}': ${datatype} values can only be sent in raw_input_contents`);
  const form = FORMS[datatype];
  const field = form?.field ?? 'bytesContents';
  if (contents === undefined) return new Uint8Array(0);
  const other = FIELDS.find((candidate) => candidate !== field && contents[candidate].length > 0);
  if (other !== undefined)
    throw invalid(`Input '${input}': ${datatype} values belong in ${protoName(field)}, found some in ${protoName(other)}`);
  if (form === undefined) return joinByteTexts(contents.bytesContents);
  const values: readonly unknown[] = contents[field];
  const width = elementBytes(datatype);
  const raw = new Uint8Array(values.length * width);
  const view = new DataView(raw.buffer);
  for (const [index, value] of values.entries()) {
    if (form.range !== undefined && ((value as number) < form.range[0] || (value as number) > form.range[1])) {
      throw invalid(
        `Input '${input}': element ${index} of ${protoName(field)} is outside of ${datatype}, ${form.range[0]} to ${form.range[1]}`,
      );
    }
    // The table pairs each list with the put that takes its values.
    form.put(view, index * width, value as never);
  }
  return raw;
}

/** Listed values of raw bytes: one list, to be spread into `InferTensorContents`. */
export function rawToContents(datatype: string, raw: Uint8Array): Record<string, unknown> {
  const form = FORMS[datatype];
  // Raw bytes are checked before, or our own.
  if (form === undefined) return { bytesContents: splitByteTexts(raw) ?? [] };
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const width = elementBytes(datatype);
  return { [form.field]: Array.from({ length: raw.length / width }, (_, index) => form.get(view, index * width)) };
}

function invalid(message: string): ModelServerError {
  return new ModelServerError('INFERFLOW_MODEL_SERVER_INPUT_INVALID', message);
}
