import { NumerixError } from './errors.js';
import { type Expression, parseExpression } from './expression.js';
import { fromInfix } from './infix.js';

/** What a name may hold only if infix text was read as postfix: `a+b` is one token there. */
const INFIX_SIGNS = /[()+*/^<>=&|,]/;

/**
 * Reads an expression in either notation. Postfix wins wherever the text is well-formed postfix: every operator has its
 * operands, one value is left, and its names are known columns (or, without a list, look like names). Anything else is tried
 * as infix; if it is not that either, the postfix reading is returned, with its problems.
 */
export function readExpression(text: string, columnNames?: readonly string[]): Expression {
  const postfix = parseExpression(text);
  const areNames =
    columnNames === undefined
      ? !postfix.columnNames.some((name) => INFIX_SIGNS.test(name))
      : postfix.columnNames.every((name) => columnNames.includes(name));
  if (postfix.problems.length === 0 && areNames) return postfix;
  try {
    return parseExpression(fromInfix(text));
  } catch (error) {
    if (error instanceof NumerixError) return postfix;
    throw error;
  }
}
