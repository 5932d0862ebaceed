// Writes onnx/slate_appeal.onnx: how good an evening a list of films makes. Nothing is trained here; it is a formula as a graph,
// with one row per film and one answer for the whole list:
//
//   appeal = 0.5 × mean(sigmoid(ranker score)) + 0.3 × mean(rating) / 10 + 0.2 × (1 − probability that two films share a genre)
//
//   node scripts/build-slate-model.mjs

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

const FLOAT = 1;
const INT64 = 7;
const INT_ATTRIBUTE = 2;

/** Numbers of the formula, in the order of the columns of `films`. */
export const WEIGHTS = { ranker: 0.5, rating: 0.3, variety: 0.2 };

/** Encodes a message of the ONNX format given by field numbers: texts, integers, bytes and messages within, lists repeated. */
function encode(fields) {
  const writer = new BinaryWriter();
  for (const [field, content] of Object.entries(fields)) {
    for (const value of Array.isArray(content) ? content : [content]) {
      if (typeof value === 'number') writer.tag(Number(field), WireType.Varint).int64(value);
      else if (typeof value === 'string') writer.tag(Number(field), WireType.LengthDelimited).string(value);
      else writer.tag(Number(field), WireType.LengthDelimited).bytes(value instanceof Uint8Array ? value : encode(value));
    }
  }
  return writer.finish();
}

const tensorType = (shape) => ({ 1: { 1: FLOAT, 2: { 1: shape.map((size) => (typeof size === 'string' ? { 2: size } : { 1: size })) } } });
const value = (name, shape) => ({ 1: name, 2: tensorType(shape) });
const node = (type, inputs, output, attributes = {}) => ({
  1: inputs,
  2: [output],
  4: type,
  5: Object.entries(attributes).map(([name, integer]) => ({ 1: name, 3: integer, 20: INT_ATTRIBUTE })),
});
const number = (name, x) => ({ 2: FLOAT, 8: name, 9: new Uint8Array(Float32Array.of(x).buffer) });
const index = (name, x) => ({ 1: [1], 2: INT64, 8: name, 9: new Uint8Array(BigInt64Array.of(BigInt(x)).buffer) });

/** The model as bytes of an ONNX file. */
export function buildSlateModel() {
  return encode({
    1: 8,
    7: {
      1: [
        node('Gather', ['films', 'column_0'], 'ranker', { axis: 1 }),
        node('Gather', ['films', 'column_1'], 'rating', { axis: 1 }),
        node('Gather', ['films', 'column_2'], 'genre', { axis: 1 }),
        node('Sigmoid', ['ranker'], 'liking'),
        node('ReduceMean', ['liking'], 'mean_liking'),
        node('Mul', ['mean_liking', 'ranker_weight'], 'liking_part'),
        node('ReduceMean', ['rating'], 'mean_rating'),
        node('Mul', ['mean_rating', 'rating_weight'], 'rating_part'),
        node('Transpose', ['genre'], 'genre_row'),
        node('Equal', ['genre', 'genre_row'], 'is_shared'),
        node('Cast', ['is_shared'], 'shared', { to: FLOAT }),
        node('ReduceMean', ['shared'], 'mean_shared'),
        node('Sub', ['one', 'mean_shared'], 'variety'),
        node('Mul', ['variety', 'variety_weight'], 'variety_part'),
        node('Add', ['liking_part', 'rating_part'], 'both_parts'),
        node('Add', ['both_parts', 'variety_part'], 'appeal'),
      ],
      2: 'slate_appeal',
      5: [
        index('column_0', 0),
        index('column_1', 1),
        index('column_2', 2),
        number('one', 1),
        number('ranker_weight', WEIGHTS.ranker),
        number('rating_weight', WEIGHTS.rating / 10),
        number('variety_weight', WEIGHTS.variety),
      ],
      11: [value('films', ['film', 3])],
      12: [value('appeal', [1, 1])],
    },
    8: { 1: '', 2: 15 },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../onnx/slate_appeal.onnx', import.meta.url), buildSlateModel());
}
