import { NumerixError } from './errors.js';
import { OPERATION_NAMES } from './operators.js';

const PRECEDENCE: Readonly<Record<string, number>> = {
  '^': 5,
  '*': 4,
  '/': 4,
  '+': 3,
  '-': 3,
  '>': 2,
  '<': 2,
  '>=': 2,
  '<=': 2,
  '==': 2,
  '&': 1,
  '|': 0,
};
const FUNCTION_ARITY: ReadonlyMap<string, number> = new Map(
  OPERATION_NAMES.filter((name) => /^[a-z]/.test(name)).map((name) => [name, name === 'min' || name === 'max' ? 2 : 1]),
);
const TOKEN = /\s*(?:(-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|([A-Za-z_][A-Za-z0-9_]*)|(>=|<=|==|[-+*/^><&|(),]))/y;

interface Frame {
  /** '(' or the name of a function whose arguments are being read. */
  readonly open: string;
  readonly openedAt: number;
  arguments: number;
}

/**
 * Turns infix notation into the postfix notation of the language: `a > 0.5 & min(b, c) < 1` → `a 0.5 > b c min 1 < &`.
 *
 * `^` binds strongest and to the right, then `*` `/`, `+` `-`, comparisons, `&`, `|`. There is no unary minus; `-2` directly
 * before digits is a number where a value is expected and a leftover where an operator is, so write `a - 2` with blanks.
 *
 * @throws NumerixError INFERFLOW_NUMERIX_INFIX_INVALID naming the place.
 */
export function fromInfix(text: string): string {
  const output: string[] = [];
  const operators: string[] = [];
  const frames: Frame[] = [];
  let expectsValue = true;
  let at = 0;
  const fail = (message: string, where = at): never => {
    throw new NumerixError('INFERFLOW_NUMERIX_INFIX_INVALID', `infix expression '${text}', character ${where + 1}: ${message}`);
  };
  const unwind = (until: string | undefined): void => {
    while (operators.length > 0 && operators.at(-1) !== until) output.push(operators.pop()!);
  };
  while (text.slice(at).trim() !== '') {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) return fail(`'${text.slice(at).trim()[0]}' belongs to no operator, number or name`);
    const [whole, number, name, symbol] = match;
    const start = at + whole.length - whole.trimStart().length;
    at += whole.length;
    if (number !== undefined) {
      if (!expectsValue) fail(`expected an operator before ${number}; to subtract, write a blank after the minus sign`, start);
      output.push(number);
      expectsValue = false;
    } else if (name !== undefined) {
      if (!expectsValue) fail(`expected an operator before ${name}`, start);
      if (FUNCTION_ARITY.has(name)) {
        if (!/^\s*\(/.test(text.slice(at))) fail(`function ${name} needs parentheses`, start);
        at = text.indexOf('(', at) + 1;
        frames.push({ open: name, openedAt: start, arguments: 1 });
        operators.push('(');
      } else {
        output.push(name);
        expectsValue = false;
      }
    } else if (symbol === '(') {
      if (!expectsValue) fail('expected an operator before (', start);
      frames.push({ open: '(', openedAt: start, arguments: 1 });
      operators.push('(');
    } else if (symbol === ',') {
      const frame = frames.at(-1);
      if (frame === undefined || frame.open === '(') return fail('a comma separates the arguments of a function only', start);
      if (expectsValue) fail('expected a value before the comma', start);
      unwind('(');
      frame.arguments++;
      expectsValue = true;
    } else if (symbol === ')') {
      const frame = frames.pop();
      if (frame === undefined) return fail('this ) closes nothing', start);
      if (expectsValue) fail('expected a value before )', start);
      unwind('(');
      operators.pop();
      if (frame.open !== '(') {
        const arity = FUNCTION_ARITY.get(frame.open)!;
        if (frame.arguments !== arity)
          fail(`${frame.open} takes ${arity === 1 ? 'one argument' : 'two arguments'}, got ${frame.arguments}`, frame.openedAt);
        output.push(frame.open);
      }
    } else {
      const operator = symbol!;
      if (expectsValue)
        fail(`expected a value before ${operator}${operator === '-' ? ' (there is no unary minus; write 0 - x)' : ''}`, start);
      const precedence = PRECEDENCE[operator]!;
      while (operators.length > 0 && operators.at(-1) !== '(') {
        const top = PRECEDENCE[operators.at(-1)!]!;
        if (top < precedence || (top === precedence && operator === '^')) break;
        output.push(operators.pop()!);
      }
      operators.push(operator);
      expectsValue = true;
    }
  }
  if (frames.length > 0) fail(`${frames.at(-1)!.open} is never closed`, frames.at(-1)!.openedAt);
  if (expectsValue) fail(output.length === 0 ? 'the expression is empty' : 'expected a value at the end');
  unwind(undefined);
  return output.join(' ');
}
