import { ModelServerError } from './errors.js';
import { countTexts, elementBytes, elementCount, shapeText, type Tensor, type TensorSpec } from './tensor.js';

/** The signature that a call is checked against. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/**
 * Checks the inputs of a call: exactly the model's, each of its type, shape and size; dimensions of one name agree.
 *
 * @returns the inputs in the model's order
 * @throws ModelServerError INFERFLOW_MODEL_SERVER_INPUT_INVALID
 */
export function checkInputs(signature: Signature, inputs: readonly Tensor[]): readonly Tensor[] {
  const byName = new Map<string, Tensor>();
  for (const input of inputs) {
    if (byName.has(input.name)) throw invalid(`Input '${input.name}' is there twice`);
    byName.set(input.name, input);
  }
  const expected = signature.inputs.map((spec) => spec.name);
  const missing = expected.filter((name) => !byName.has(name)).sort();
  if (missing.length > 0)
    throw invalid(`Missing required input(s): ${missing.join(', ')}. Expected inputs: ${[...expected].sort().join(', ')}`);
  const surplus = [...byName.keys()].filter((name) => !expected.includes(name)).sort();
  if (surplus.length > 0) throw invalid(`Unexpected input(s): ${surplus.join(', ')}. Expected inputs: ${[...expected].sort().join(', ')}`);
  const sizes = new Map<string, { readonly size: number; readonly input: string }>();
  return signature.inputs.map((spec) => {
    const input = byName.get(spec.name)!;
    checkInput(spec, input);
    for (const [index, name] of spec.dimensionNames.entries()) {
      if (name === '') continue;
      const size = input.shape[index]!;
      const known = sizes.get(name);
      if (known === undefined) sizes.set(name, { size, input: input.name });
      else if (known.size !== size) {
        throw invalid(`Input '${input.name}': dimension ${index} ('${name}') is ${size}, but ${known.size} in input '${known.input}'`);
      }
    }
    return input;
  });
}

/**
 * Checks the names of wanted outputs; none means all.
 *
 * @throws ModelServerError INFERFLOW_MODEL_SERVER_INPUT_INVALID
 */
export function checkOutputs(signature: Signature, wanted: readonly string[]): readonly string[] {
  const valid = signature.outputs.map((spec) => spec.name);
  if (wanted.length === 0) return valid;
  const unknown = wanted.filter((name) => !valid.includes(name));
  if (unknown.length > 0) throw invalid(`Unknown output(s): ${unknown.join(', ')}. Valid outputs: ${valid.join(', ')}`);
  if (new Set(wanted).size < wanted.length) throw invalid('An output is asked for twice');
  return wanted;
}

function checkInput(spec: TensorSpec, input: Tensor): void {
  if (input.datatype !== spec.datatype) throw invalid(`Input '${spec.name}': expected datatype ${spec.datatype}, got ${input.datatype}`);
  const count = elementCount(input.shape);
  if (count < 0) throw invalid(`Input '${spec.name}': shape ${shapeText(input.shape)} has a negative dimension or too many elements`);
  const fits = input.shape.length === spec.shape.length && spec.shape.every((size, index) => size === -1 || size === input.shape[index]);
  if (!fits) throw invalid(`Input '${spec.name}': expected shape ${shapeText(spec.shape)}, got ${shapeText(input.shape)}`);
  const width = elementBytes(spec.datatype);
  if (width > 0) {
    const bytes = count * width;
    if (input.data.length !== bytes) {
      throw invalid(
        `Input '${spec.name}': expected ${bytes} bytes for ${spec.datatype} ${shapeText(input.shape)}, got ${input.data.length}`,
      );
    }
    return;
  }
  const texts = countTexts(input.data);
  if (texts < 0) throw invalid(`Input '${spec.name}': the lengths of its BYTES elements do not fit its ${input.data.length} bytes`);
  if (texts !== count)
    throw invalid(`Input '${spec.name}': expected ${count} BYTES elements for shape ${shapeText(input.shape)}, got ${texts}`);
}

function invalid(message: string): ModelServerError {
  return new ModelServerError('INFERFLOW_MODEL_SERVER_INPUT_INVALID', message);
}
