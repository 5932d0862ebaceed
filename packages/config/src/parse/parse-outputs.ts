import { joinPath } from '../json-path.js';
import type { ModelOutput } from '../model-config.js';
import { readTensorType } from './data-type-text.js';
import { checkDimensions } from './dimensions.js';
import { type ObjectReader, readIntegers, reportType } from './object-reader.js';

/** Output tensors of the deployed dialect. */
export function readDeployedOutputs(reader: ObjectReader): readonly ModelOutput[] {
  reader.context.note(`${reader.place}/outputs`, reader.pathOf('outputs'));
  return reader.objects('outputs', 'output', (index) => `${reader.place}/outputs/${index}`).map(readDeployedOutput);
}

/** Output tensors of the documented dialect: `tensors`, or one per score column. */
export function readDocumentedOutputs(reader: ObjectReader, what: string): readonly ModelOutput[] {
  const outputs = reader.object('outputs', 'outputs', `${reader.place}/outputs`);
  if (outputs === undefined) return [];
  const columns = outputs.texts('scoreColumns');
  for (const [index, column] of columns.entries()) reportEmptyScore(outputs, column, joinPath(outputs.pathOf('scoreColumns'), index));
  if (outputs.has('tensors')) {
    outputs.context.note(`${reader.place}/outputs`, outputs.pathOf('tensors'));
    const tensors = outputs.objects('tensors', 'output', (index) => `${reader.place}/outputs/${index}`).map(readDocumentedOutput);
    const declared = new Set(tensors.flatMap((tensor) => tensor.scores.map((score) => score.name)));
    for (const [index, column] of columns.entries()) {
      if (declared.has(column)) continue;
      const path = joinPath(outputs.pathOf('scoreColumns'), index);
      outputs.context.report('INFERFLOW_CONFIG_INVALID_VALUE', path, `no output tensor of ${what} has the score ${JSON.stringify(column)}`);
    }
    return tensors;
  }
  outputs.context.note(`${reader.place}/outputs/from`, outputs.pathOf('scoreColumns'));
  if (columns.length > 0) {
    outputs.context.assume(
      outputs.pathOf('tensors'),
      `${columns.length} tensor${columns.length === 1 ? '' : 's'}`,
      'one FP32 tensor with one value per row for each score, named like the score',
    );
  }
  return columns.map((name) => ({ name, dataType: 'FP32', dataTypeText: 'FP32', scores: [{ name, dims: [1] }] }));
}

function readDocumentedOutput(reader: ObjectReader): ModelOutput {
  const name = reader.requiredText('name', 'an output tensor');
  const scores = reader
    .objects('scores', 'score', (index) => `${reader.place}/scores/${index}`)
    .map((score) => {
      const dims = score.has('dims') ? score.integers('dims') : [1];
      checkDimensions(reader, dims, score.pathOf('dims'));
      return { name: score.requiredText('name', 'a score'), dims };
    });
  if (!reader.has('dataType')) reader.context.assume(reader.pathOf('dataType'), 'FP32', `type of output tensor ${JSON.stringify(name)}`);
  if (!reader.has('scores')) reader.context.assume(reader.pathOf('scores'), name, 'one score named like the tensor');
  return {
    name,
    ...readOutputType(reader, reader.text('dataType') || (reader.raw('dataType') === '' ? '' : 'FP32')),
    scores: reader.has('scores') ? scores : [{ name, dims: [1] }],
  };
}

function readDeployedOutput(reader: ObjectReader): ModelOutput {
  const name = reader.requiredText('name', 'an output tensor');
  const names = reader.texts('modelScores');
  const dims = reader.list('dims').map((item, index) => {
    const path = joinPath(reader.pathOf('dims'), index);
    if (item === null) return [];
    if (!Array.isArray(item)) {
      reportType(reader.context, path, item, 'a list of whole numbers');
      return [];
    }
    const values = readIntegers(reader.context, item, path);
    checkDimensions(reader, values, path);
    return values;
  });
  if (names.length !== dims.length) {
    const message = `output tensor ${JSON.stringify(name)} has ${names.length} scores and ${dims.length} dimensions; they go in pairs`;
    reader.invalid('dims', message, { found: `${dims.length}`, expected: `${names.length} lists of dimensions` });
  }
  for (const [index, score] of names.entries()) reportEmptyScore(reader, score, joinPath(reader.pathOf('modelScores'), index));
  const scores = names.map((score, index) => ({ name: score, dims: dims[index] ?? [] }));
  return { name, ...readOutputType(reader, reader.text('dataType')), scores };
}

function reportEmptyScore(reader: ObjectReader, score: string, path: string): void {
  if (score === '') reader.context.report('INFERFLOW_CONFIG_MISSING', path, 'a score has no name', { found: '""' });
}

function readOutputType(reader: ObjectReader, dataTypeText: string): Pick<ModelOutput, 'dataType' | 'dataTypeText'> {
  return { dataType: readTensorType(reader.context, dataTypeText, reader.pathOf('dataType')), dataTypeText };
}
