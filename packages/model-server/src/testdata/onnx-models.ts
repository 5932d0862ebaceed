import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Element types by V2 name, as numbers of the ONNX format. */
const ELEMENT_TYPES: Readonly<Record<string, number>> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
};

interface Value {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (string | number)[];
}

interface Node {
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

interface Weight {
  readonly name: string;
  readonly elementType: number;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** A message of the ONNX format by field numbers: texts, integers, bytes and messages within, lists repeated. */
interface Fields {
  readonly [field: number]: FieldValue | readonly FieldValue[];
}
type FieldValue = string | number | Uint8Array | Fields;

function encode(fields: Fields): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, content] of Object.entries(fields)) {
    for (const value of Array.isArray(content) ? (content as readonly FieldValue[]) : [content as FieldValue]) {
      if (typeof value === 'number') writer.tag(Number(field), WireType.Varint).int64(value);
      else if (typeof value === 'string') writer.tag(Number(field), WireType.LengthDelimited).string(value);
      else writer.tag(Number(field), WireType.LengthDelimited).bytes(value instanceof Uint8Array ? value : encode(value));
    }
  }
  return writer.finish();
}

function model(inputs: readonly Value[], outputs: readonly Value[], nodes: readonly Node[], weights: readonly Weight[] = []): Uint8Array {
  const value = ({ name, datatype, shape }: Value): Fields => ({
    1: name,
    2: {
      1: { 1: ELEMENT_TYPES[datatype]!, 2: { 1: shape.map((size): Fields => (typeof size === 'string' ? { 2: size } : { 1: size })) } },
    },
  });
  return encode({
    1: 8,
    7: {
      1: nodes.map(({ type, inputs: input, outputs: output }): Fields => ({ 1: input, 2: output, 4: type })),
      2: 'test',
      5: weights.map(({ name, elementType, shape, data }): Fields => ({ 1: shape, 2: elementType, 8: name, 9: data })),
      11: inputs.map(value),
      12: outputs.map(value),
    },
    8: { 1: '', 2: 15 },
  });
}

/** `y` is `x`, of any datatype and any number of rows of two. */
export function identityModel(datatype: string): Uint8Array {
  const shape = ['batch', 2];
  return model([{ name: 'x', datatype, shape }], [{ name: 'y', datatype, shape }], [{ type: 'Identity', inputs: ['x'], outputs: ['y'] }]);
}

/** `sum` is a + b and `difference` is a − b, rows of three. */
export function twoInputModel(): Uint8Array {
  const shape = ['batch', 3];
  const value = (name: string) => ({ name, datatype: 'FP32', shape });
  return model(
    [value('a'), value('b')],
    [value('sum'), value('difference')],
    [
      { type: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
      { type: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] },
    ],
  );
}

/** Multiplies rows of `width` by a matrix `steps` times: as slow as it is told to be. */
export function slowModel(width: number, steps: number): Uint8Array {
  const weight = {
    name: 'w',
    elementType: 1,
    shape: [width, width],
    data: new Uint8Array(new Float32Array(width * width).fill(1 / width).buffer),
  };
  const names = Array.from({ length: steps + 1 }, (_, step) => (step === 0 ? 'x' : step === steps ? 'y' : `h${step}`));
  const nodes = names.slice(1).map((name, step) => ({ type: 'MatMul', inputs: [names[step]!, 'w'], outputs: [name] }));
  const shape = ['batch', width];
  return model([{ name: 'x', datatype: 'FP32', shape }], [{ name: 'y', datatype: 'FP32', shape }], nodes, [weight]);
}

/** Fails while it runs: `x` has rows of two, which do not make rows of three. */
export function failingModel(): Uint8Array {
  const target = { name: 'shape', elementType: 7, shape: [2], data: new Uint8Array(BigInt64Array.of(-1n, 3n).buffer) };
  return model(
    [{ name: 'x', datatype: 'FP32', shape: ['batch', 2] }],
    [{ name: 'y', datatype: 'FP32', shape: ['rows', 3] }],
    [{ type: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }],
    [target],
  );
}
