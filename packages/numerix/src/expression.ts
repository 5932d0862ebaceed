import { type ExpressionProblem, ExpressionProblemCode } from './errors.js';
import { binaryOperation, type Operation, unaryOperation } from './operators.js';

/** One token of an expression, classified as far as that is possible without knowing the columns. */
export type Token =
  | { readonly kind: 'binary' | 'unary'; readonly text: string; readonly operation: Operation }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string };

/** A parsed expression. Frozen; may be shared. */
export interface Expression {
  /** The text as given. */
  readonly text: string;
  readonly tokens: readonly Token[];
  /** Every number written anywhere in the text, also inside names, in order of first occurrence. */
  readonly literals: readonly string[];
  /** Distinct names, in order of first occurrence: the columns the expression needs. */
  readonly columnNames: readonly string[];
  /** Problems that no list of columns can cure. */
  readonly problems: readonly ExpressionProblem[];
}

// The language splits on Unicode white space; JavaScript's \s differs in two characters (U+0085, U+FEFF).
const WHITE_SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const NUMBER = /-?\p{Nd}+(?:\.\p{Nd}+)?/gu;
const ASCII_NUMBER = /^-?[0-9]+(?:\.[0-9]+)?$/;

/**
 * Parses a postfix expression. Never throws: what is wrong is listed in `problems`.
 *
 * A token is a number when its whole text was found by the number pattern anywhere in the expression, and numbers win over
 * columns: in `score_5 5 *` the `5` is a number even if a column has that name.
 */
export function parseExpression(text: string): Expression {
  const literals = [...new Set(text.match(NUMBER) ?? [])];
  const literalSet = new Set(literals);
  const tokens = text
    .split(WHITE_SPACE)
    .filter((part) => part !== '')
    .map((part) => Object.freeze(classify(part, literalSet)));
  const columnNames = [...new Set(tokens.filter((token) => token.kind === 'name').map((token) => token.text))];
  return Object.freeze({
    text,
    tokens: Object.freeze(tokens),
    literals: Object.freeze(literals),
    columnNames: Object.freeze(columnNames),
    problems: Object.freeze(structuralProblems(tokens, literals)),
  });
}

/** The first number in digits that cannot be read, undefined when all can. */
export function unreadableLiteral(expression: Expression): string | undefined {
  return expression.literals.find((literal) => !ASCII_NUMBER.test(literal));
}

function classify(text: string, literals: ReadonlySet<string>): Token {
  const binary = binaryOperation(text);
  if (binary !== undefined) return { kind: 'binary', text, operation: binary };
  const unary = unaryOperation(text);
  if (unary !== undefined) return { kind: 'unary', text, operation: unary };
  return literals.has(text) ? { kind: 'literal', text } : { kind: 'name', text };
}

function structuralProblems(tokens: readonly Token[], literals: readonly string[]): ExpressionProblem[] {
  const problems: ExpressionProblem[] = [];
  for (const literal of literals) {
    if (ASCII_NUMBER.test(literal)) continue;
    problems.push({
      code: ExpressionProblemCode.unreadableNumber,
      tokenIndex: tokens.findIndex((token) => token.text === literal),
      token: literal,
      message: `number '${literal}' cannot be read; write it with the digits 0 to 9`,
    });
  }
  if (tokens.length === 0) {
    problems.push({
      code: ExpressionProblemCode.empty,
      tokenIndex: 0,
      token: '',
      message: 'the expression is empty; expected at least one column or number',
    });
    return problems;
  }
  let depth = 0;
  for (const [tokenIndex, token] of tokens.entries()) {
    const needed = token.kind === 'binary' ? 2 : token.kind === 'unary' ? 1 : 0;
    if (depth < needed) {
      problems.push({
        code: ExpressionProblemCode.missingOperand,
        tokenIndex,
        token: token.text,
        message: `'${token.text}' needs ${needed === 1 ? 'one operand' : 'two operands'} before it, found ${depth}`,
      });
      return problems;
    }
    depth += 1 - needed;
  }
  if (depth !== 1) {
    problems.push({
      code: ExpressionProblemCode.leftOver,
      tokenIndex: tokens.length,
      token: '',
      message: `${depth} values are left at the end, expected exactly one; is an operator missing?`,
    });
  }
  return problems;
}
