import { checkExpression } from './check-expression.js';
import { NumerixError } from './errors.js';
import { evaluate } from './evaluate.js';
import { type Expression, parseExpression } from './expression.js';
import { parseFloat32 } from './float-text.js';
import type { FloatColumn } from './kernels.js';
import type { Operation } from './operators.js';
import { type CompiledExpression, InstructionKind, type Precision } from './program.js';

/**
 * Compiles an expression for columns in a given order.
 *
 * @throws NumerixError INFERFLOW_NUMERIX_EXPRESSION_INVALID with every problem, when there is one.
 */
export function compileExpression(
  expression: Expression | string,
  columnNames: readonly string[],
  precision: Precision,
): CompiledExpression {
  const parsed = typeof expression === 'string' ? parseExpression(expression) : expression;
  const problems = checkExpression(parsed, columnNames);
  if (problems.length > 0) {
    throw new NumerixError(
      'INFERFLOW_NUMERIX_EXPRESSION_INVALID',
      `expression '${parsed.text}' is invalid: ${problems.map((problem) => problem.message).join('; ')}`,
      problems,
    );
  }
  return compileLeniently(parsed, columnNames, precision);
}

/** Compiles up to the first mistake, which becomes the `fault`: what a service does with an expression it was given. @internal */
export function compileLeniently(expression: Expression, columnNames: readonly string[], precision: Precision): CompiledExpression {
  const program: number[] = [];
  const constants: number[] = [];
  const isRead = columnNames.map(() => false);
  const distinct = new Set(columnNames).size;
  let depth = 0;
  let deepest = 0;
  let fault: string | null = null;
  for (const token of expression.tokens) {
    if (token.kind === 'binary' || token.kind === 'unary') {
      const operands = token.kind === 'binary' ? 2 : 1;
      if (depth < operands) {
        fault = `Stack underflow: missing operand for operation '${token.text}'`;
        break;
      }
      depth -= operands - 1;
      program.push(token.kind === 'binary' ? InstructionKind.binary : InstructionKind.unary, token.operation satisfies Operation);
      continue;
    }
    if (token.kind === 'literal') {
      program.push(InstructionKind.constant, constants.length);
      constants.push(precision === 'fp32' ? parseFloat32(token.text) : Number(token.text));
    } else {
      const index = columnNames.lastIndexOf(token.text);
      if (index < 0) {
        fault = `Unknown token encountered: '${token.text}'`;
        break;
      }
      // Values behind the number of distinct names are not there, and a name that stands twice says nothing.
      if (index >= distinct || columnNames.indexOf(token.text) !== index) {
        fault = `Duplicate column in schema: '${token.text}' is ambiguous`;
        break;
      }
      isRead[index] = true;
      program.push(InstructionKind.column, index);
    }
    depth++;
    if (depth > deepest) deepest = depth;
  }
  if (fault === null && depth !== 1) {
    fault =
      depth === 0
        ? 'Evaluation error: stack is empty at the end of expression evaluation'
        : `Evaluation error: stack contains ${depth} elements at the end, expected exactly 1`;
  }
  const compiled: CompiledExpression = Object.freeze({
    expression,
    precision,
    columnNames: Object.freeze([...columnNames]),
    isRead: Object.freeze(isRead),
    program: Int32Array.from(program),
    depth: deepest,
    constants: Object.freeze(constants),
    fault,
    scratch: { rows: 0, constants: [], converted: [], stack: [], operands: [], sorted: null },
    evaluate: (columns: readonly FloatColumn[], rowCount: number) => evaluate(compiled, columns, rowCount),
  });
  return compiled;
}
