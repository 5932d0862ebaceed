import { type ExpressionProblem, ExpressionProblemCode } from './errors.js';
import type { Expression } from './expression.js';
import { OPERATION_NAMES } from './operators.js';

/**
 * Checks an expression against the columns it will be given. Returns every problem, in order of the tokens; an empty list
 * means that the expression can be compiled. Arithmetic failures (division by zero, logarithm of nothing positive) depend on
 * the rows and are not found here.
 */
export function checkExpression(expression: Expression, columnNames: readonly string[]): ExpressionProblem[] {
  const known = new Set(columnNames);
  const problems: ExpressionProblem[] = [...expression.problems];
  for (const [tokenIndex, token] of expression.tokens.entries()) {
    if (token.kind !== 'name') continue;
    if (!known.has(token.text)) {
      const suggestion = nearest(token.text, [...columnNames, ...OPERATION_NAMES]);
      problems.push({
        code: ExpressionProblemCode.unknownToken,
        tokenIndex,
        token: token.text,
        message: `'${token.text}' is neither an operator, a function, a number nor one of the ${columnNames.length} columns${suggestion === undefined ? '' : `; did you mean '${suggestion}'?`}`,
        ...(suggestion === undefined ? {} : { suggestion }),
      });
    } else if (columnNames.indexOf(token.text) !== columnNames.lastIndexOf(token.text)) {
      problems.push({
        code: ExpressionProblemCode.duplicateColumn,
        tokenIndex,
        token: token.text,
        message: `column '${token.text}' is listed more than once, so '${token.text}' is ambiguous`,
      });
    }
  }
  return problems.sort((left, right) => left.tokenIndex - right.tokenIndex);
}

function nearest(text: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(text.length / 3)) + 1;
  for (const candidate of [...candidates].sort()) {
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitute = previous[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1);
      current.push(Math.min(substitute, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[right.length]!;
}
