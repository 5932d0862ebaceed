import { Lexer, Parser, parse as parseYaml } from 'yaml';
import { contentHash } from '../hash.js';
import { canonicalJson, copyJson, isJsonObject } from '../json.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { fieldNames } from '../schema/fields.js';
import { jsonErrorOf } from './json-error.js';

/** How a text is written. */
export type DocumentFormat = 'json' | 'yaml';

/** A document as a source delivers it: text to be parsed, a value, or why neither could be had. */
export type ConfigDocument =
  /** `sourceRevision`: the source's own number of this version. */
  | { readonly text: string; readonly format: DocumentFormat; readonly sourceRevision?: string }
  | { readonly value: unknown }
  | { readonly problem: Problem };

/** A parsed document, or what is wrong with it. */
export type DocumentValue = { readonly value: unknown } | { readonly problem: Problem };

const modelFields = new Set([...fieldNames('model', 'documented'), ...fieldNames('model', 'deployed')].map((name) => name.toLowerCase()));

/** Parses a document; syntax errors become a problem. */
export function readDocument(document: ConfigDocument): DocumentValue {
  if (!('text' in document)) return document;
  if (document.format === 'json') return readJson(stripMark(document.text));
  if (isTooDeep(document.text)) {
    const message = `more than ${MAX_YAML_DEPTH} levels is not accepted here`;
    return { problem: createProblem('INFERFLOW_CONFIG_TOO_DEEP', '$', message) };
  }
  try {
    return { value: parseYaml(document.text) };
  } catch (error) {
    // The parser's first line; it ends with a colon where the text it is about follows.
    return {
      problem: syntaxProblem('YAML', error instanceof Error ? (error.message.split('\n')[0] ?? '').replace(/:$/, '') : String(error)),
    };
  }
}

/** No configuration that is accepted comes near it. */
const MAX_YAML_DEPTH = 250;

/** The parser calls itself for every level, and where the stack ends the process may end with it. Reading tokens needs no stack. */
function isTooDeep(text: string): boolean {
  // Half of the levels take a line as long, or as many brackets: what has neither is not read twice.
  const half = MAX_YAML_DEPTH / 2;
  if (text.split('\n').every(({ length }) => length < half) && (text.match(/[[{]/g)?.length ?? 0) < half) return false;
  const parser = new Parser();
  for (const token of new Lexer().lex(text)) {
    for (const _ of parser.next(token));
    if (parser.stack.length > MAX_YAML_DEPTH) return true;
  }
  return false;
}

function readJson(text: string): DocumentValue {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: syntaxProblem('JSON', jsonErrorOf(text, error)) };
  }
}

function syntaxProblem(expected: 'JSON' | 'YAML', reason: string): Problem {
  return createProblem('INFERFLOW_CONFIG_SYNTAX', '$', `not valid ${expected}: ${reason.slice(0, 200)}`, { expected });
}

/** True for a document that counts as absent: text without anything in it, or an undefined value. */
export function isAbsent(document: ConfigDocument): boolean {
  if ('text' in document) return document.text.trim() === '';
  return 'value' in document && document.value === undefined;
}

/** Hashes of texts, so that a source of thousands of models does not hash them all whenever one changes. */
const textHashes = new WeakMap<ConfigDocument, string>();

/** Content hash of a document: equal for equal texts, and for values with equal JSON. */
export function documentRevision(document: ConfigDocument): string {
  if ('text' in document) {
    let hash = textHashes.get(document);
    if (hash === undefined) {
      hash = contentHash(document.text);
      textHashes.set(document, hash);
    }
    return hash;
  }
  if ('problem' in document) return contentHash(`${document.problem.code} ${document.problem.message}`);
  return contentHash(canonicalJson(copyJson(document.value, () => undefined)));
}

/**
 * The models in a document: one model's own object, or an object of models keyed by id. A model's object is known by its fields.
 * @param modelConfigId id of a model that is not wrapped
 */
export function modelsIn(value: unknown, modelConfigId: string): ReadonlyMap<string, unknown> {
  if (!isJsonObject(value) || looksLikeModel(value)) return new Map([[modelConfigId, value]]);
  // An editor's schema is no model.
  const entries = Object.entries(value).filter(([key]) => key !== '$schema');
  // One that looks like a model is enough: a bad neighbour is refused on its own.
  const isWrapper = entries.some(([, model]) => isJsonObject(model) && looksLikeModel(model));
  return isWrapper ? new Map(entries) : new Map([[modelConfigId, value]]);
}

function looksLikeModel(value: object): boolean {
  return Object.keys(value).some((key) => modelFields.has(key.toLowerCase()));
}

function stripMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text;
}
