import { componentPath, outputPath, tensorFieldPath } from '../component-paths.js';
import { joinPath } from '../json-path.js';
import type { ModelConfig, PredatorComponentConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';

/** A tensor as a model server describes it. */
export interface UpstreamTensor {
  readonly name: string;
  /** V2 name, with or without Triton's `TYPE_`. */
  readonly dataType: string;
  /** With the batch dimension, as most servers write it; -1 = any. */
  readonly shape: readonly number[];
}

/** What a model server says about one model: an answer to `ModelMetadata`. */
export interface UpstreamModel {
  readonly name: string;
  /** Versions that the server has; empty where it does not say. */
  readonly versions: readonly string[];
  readonly inputs: readonly UpstreamTensor[];
  readonly outputs: readonly UpstreamTensor[];
}

/** Element types that the Open Inference Protocol names. */
const dataTypes = new Set('BOOL UINT8 UINT16 UINT32 UINT64 INT8 INT16 INT32 INT64 FP16 FP32 FP64 BF16 BYTES'.split(' '));

/**
 * Holds a component against what its model server says. An error is a proven mismatch: every call would fail. What a server leaves open
 * (a type it does not name, a shape with or without the batch dimension) proves nothing.
 * @param modelName the model asked there, for texts
 */
export function checkUpstreamModel(
  config: ModelConfig,
  component: PredatorComponentConfig,
  modelName: string,
  upstream: UpstreamModel,
): readonly Problem[] {
  const { modelVersion } = component;
  const isOther = upstream.name !== '' && upstream.name !== modelName;
  const lacksVersion = modelVersion !== '' && upstream.versions.length > 0 && !upstream.versions.includes(modelVersion);
  if (isOther || lacksVersion || upstream.inputs.length === 0 || upstream.outputs.length === 0) return [];
  const path = componentPath(config, component);
  const version = modelVersion === '' ? '' : ` version ${modelVersion}`;
  const where = `model "${modelName}"${version} on its server`;
  const leading = component.slateCalls === 'dimension' && component.scope === 'slate' ? 2 : 1;
  const problems: Problem[] = [];
  for (const [index, { name, dataType, shape }] of component.inputs.entries()) {
    const field = (key: string): string => tensorFieldPath(config, component, 'inputs', index, key);
    const found = find(upstream.inputs, name);
    if (found === undefined) problems.push(missing(field('name'), 'input', name, where, upstream.inputs));
    else {
      addTypeProblem(problems, field('dataType'), `input "${name}"`, dataType, found, where);
      const opened = isRowsOfSlates(component) ? shape.map((dimension, index) => (index === 0 ? -1 : dimension)) : shape;
      addShapeProblem(problems, field('shape'), `input "${name}"`, [...Array<number>(leading).fill(-1), ...opened], found, where);
    }
  }
  for (const [index, { name, dataType, scores }] of component.outputs.entries()) {
    const field = (key: string): string => tensorFieldPath(config, component, 'outputs', index, key);
    const found = find(upstream.outputs, name);
    if (found === undefined) problems.push(missing(field('name'), 'output', name, where, upstream.outputs));
    else {
      addTypeProblem(problems, field('dataType'), `output "${name}"`, dataType, found, where);
      if (component.scope === 'target' && typeOf(dataType) !== 'BYTES')
        addWidthProblem(
          problems,
          outputPath(config, component, index),
          name,
          scores.map(({ dims }) => dims),
          found,
          where,
        );
    }
  }
  for (const { name } of upstream.inputs) {
    if (component.inputs.some((input) => input.name === name)) continue;
    // It may be optional: the metadata does not tell.
    const message = `${where} has an input "${name}" that component "${component.componentName}" does not send`;
    problems.push(createProblem('INFERFLOW_CONFIG_UPSTREAM_INPUT', joinPath(path, 'inputs'), message));
  }
  return problems;
}

function isRowsOfSlates({ scope, slateCalls }: PredatorComponentConfig): boolean {
  return scope === 'slate' && slateCalls === 'rows';
}

function find(tensors: readonly UpstreamTensor[], name: string): UpstreamTensor | undefined {
  return tensors.find((tensor) => tensor.name === name);
}

function missing(path: string, kind: 'input' | 'output', name: string, where: string, there: readonly UpstreamTensor[]): Problem {
  const names = there.map((tensor) => `"${tensor.name}"`).join(', ');
  return mismatch(path, `${where} has no ${kind} "${name}"; it has ${names}`, name, names);
}

function addTypeProblem(
  problems: Problem[],
  path: string,
  what: string,
  declared: string,
  { dataType }: UpstreamTensor,
  where: string,
): void {
  const [ours, theirs] = [typeOf(declared), typeOf(dataType)];
  if (ours === theirs || !dataTypes.has(ours) || !dataTypes.has(theirs)) return;
  problems.push(mismatch(path, `${what} is declared as ${ours}; ${where} has ${theirs}`, ours, theirs));
}

function addShapeProblem(
  problems: Problem[],
  path: string,
  what: string,
  sent: readonly number[],
  { shape }: UpstreamTensor,
  where: string,
): void {
  // Some servers leave the batch dimension out.
  if (shape.length === 0 || fits(sent, shape) || fits(sent.slice(1), shape)) return;
  problems.push(mismatch(path, `${what} is sent as ${shown(sent)}; ${where} takes ${shown(shape)}`, shown(sent), shown(shape)));
}

/** The scores of an output have to take all values of a row. */
function addWidthProblem(
  problems: Problem[],
  path: string,
  name: string,
  dims: readonly (readonly number[])[],
  { shape }: UpstreamTensor,
  where: string,
): void {
  const [batch, ...rest] = shape;
  // Where the first dimension is not open it may be part of the row.
  if (batch !== -1 || rest.some((dimension) => dimension < 0)) return;
  const taken = dims.map((one) => (one.some((dimension) => dimension < 0) ? null : product(one)));
  const known = taken.reduce<number>((sum, elements) => sum + (elements ?? 0), 0);
  const perRow = product(rest);
  if (taken.includes(null) ? perRow >= known : perRow === known) return;
  const message = `the scores of output "${name}" take ${known} values per row; ${where} gives ${perRow}, as ${shown(shape)}`;
  problems.push(mismatch(path, message, String(known), String(perRow)));
}

function mismatch(path: string, message: string, found: string, expected: string): Problem {
  return createProblem('INFERFLOW_CONFIG_UPSTREAM_MISMATCH', path, message, { found, expected });
}

function typeOf(text: string): string {
  const name = text
    .toUpperCase()
    .replace(/^TYPE_/, '')
    .replace(/^DATATYPE/, '');
  return name === 'STRING' ? 'BYTES' : name;
}

function fits(sent: readonly number[], taken: readonly number[]): boolean {
  return sent.length === taken.length && sent.every((dimension, at) => dimension < 0 || (taken[at] ?? -1) < 0 || dimension === taken[at]);
}

function product(dims: readonly number[]): number {
  return dims.reduce((result, dimension) => result * dimension, 1);
}

function shown(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
