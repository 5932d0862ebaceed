import { compileExpression, compileLeniently } from './compile-expression.js';
import { computeReply, type ExpressionLookup } from './compute.js';
import { type ExpressionProblem, NumerixError } from './errors.js';
import { type Expression, parseExpression } from './expression.js';
import { fromInfix } from './infix.js';
import type { CompiledExpression, Precision } from './program.js';
import { readExpression } from './read-expression.js';

/** How an expression may be given: postfix text, or an object with postfix `expression` or `infix` text (other members are ignored). */
export type ExpressionSource = string | { readonly expression: string } | { readonly infix: string };

/** Expressions that an engine knows by compute id. */
export interface ExpressionEngineOptions {
  /** Expressions by compute id. */
  readonly expressions: Readonly<Record<string, ExpressionSource>>;
}

/** A set of named expressions: the embedded form of the expression service. */
export interface ExpressionEngine {
  /** The compute ids, sorted. */
  readonly computeIds: readonly string[];
  /** The parsed expression of a compute id. */
  expression(computeId: string): Expression | undefined;
  /** Problems that no request can cure, by compute id; ids without problems are absent. */
  problems(): ReadonlyMap<string, readonly ExpressionProblem[]>;
  /** The postfix text of a compute id, undefined when the id is not known. */
  forComputeId(computeId: string): string | undefined;
  /**
   * Compiles any expression, postfix or infix (see `readExpression`), for columns in a given order; without a list, for
   * the names it reads, in order of first occurrence (`columnNames` of the result). Every call gives a program of its own.
   *
   * @throws NumerixError INFERFLOW_NUMERIX_EXPRESSION_INVALID with every problem
   */
  compile(expression: string, precision: Precision, columnNames?: readonly string[]): CompiledExpression;
  /** Adds or replaces an expression; later calls use the new one. */
  set(computeId: string, source: ExpressionSource): void;
  /** Removes an expression; false when there was none. */
  delete(computeId: string): boolean;
  /** Answers `/numerix.Numerix/Compute`: bytes of a NumerixRequestProto in, bytes of a NumerixResponseProto out. Throws when the bytes are no such message. */
  computeReply(request: Uint8Array): Uint8Array;
}

/**
 * Creates an engine.
 *
 * @throws NumerixError INFERFLOW_NUMERIX_EXPRESSIONS_INVALID when an entry is neither text nor an object with text, or its
 * infix text is wrong. Postfix text with problems is taken, as the service does, and listed by `problems()`.
 */
export function createExpressionEngine(options: ExpressionEngineOptions): ExpressionEngine {
  const entries = new Map<string, Entry>();
  for (const [computeId, source] of Object.entries(options.expressions)) entries.set(computeId, createEntry(computeId, source));
  const lookup: ExpressionLookup = {
    compileForService(computeId, columnNames, precision) {
      const entry = entries.get(computeId);
      // An empty text counts as not configured; one of blanks is evaluated, and fails.
      return entry === undefined || entry.expression.text === '' ? undefined : entry.compiledFor(columnNames, precision);
    },
  };
  return {
    get computeIds() {
      return [...entries.keys()].sort();
    },
    expression: (computeId) => entries.get(computeId)?.expression,
    problems: () =>
      new Map(
        [...entries].filter(([, entry]) => entry.expression.problems.length > 0).map(([id, entry]) => [id, entry.expression.problems]),
      ),
    forComputeId: (computeId) => entries.get(computeId)?.expression.text,
    compile(text, precision, columnNames) {
      const expression = readExpression(text, columnNames);
      return compileExpression(expression, columnNames ?? expression.columnNames, precision);
    },
    set(computeId, source) {
      entries.set(computeId, createEntry(computeId, source));
    },
    delete: (computeId) => entries.delete(computeId),
    computeReply: (request) => computeReply(lookup, request),
  };
}

/** Programs kept per expression: one per list of columns and precision, as far as callers repeat themselves. */
const MAX_PROGRAMS = 16;

interface Entry {
  readonly expression: Expression;
  compiledFor(columnNames: readonly string[], precision: Precision): CompiledExpression;
}

function createEntry(computeId: string, source: ExpressionSource): Entry {
  const expression = parseExpression(postfixOf(computeId, source));
  const programs: CompiledExpression[] = [];
  return {
    expression,
    compiledFor(columnNames, precision) {
      for (const program of programs) if (program.precision === precision && isSame(program.columnNames, columnNames)) return program;
      const program = compileLeniently(expression, columnNames, precision);
      if (programs.length === MAX_PROGRAMS) programs.shift();
      programs.push(program);
      return program;
    },
  };
}

function postfixOf(computeId: string, source: unknown): string {
  if (typeof source === 'string') return source;
  if (typeof source === 'object' && source !== null) {
    if ('expression' in source && typeof source.expression === 'string') return source.expression;
    if ('infix' in source && typeof source.infix === 'string') {
      try {
        return fromInfix(source.infix);
      } catch (cause) {
        throw invalid(computeId, cause instanceof Error ? cause.message : String(cause));
      }
    }
  }
  throw invalid(computeId, 'expected text, or an object with a text member "expression" (postfix) or "infix"');
}

function invalid(computeId: string, message: string): NumerixError {
  return new NumerixError('INFERFLOW_NUMERIX_EXPRESSIONS_INVALID', `expression "${computeId}": ${message}`);
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
  return true;
}
