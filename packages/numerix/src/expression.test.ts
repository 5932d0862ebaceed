import { describe, expect, it } from 'vitest';
import { checkExpression } from './check-expression.js';
import { compileExpression } from './compile-expression.js';
import { NumerixError } from './errors.js';
import { parseExpression } from './expression.js';

describe('parseExpression', () => {
  it('collects every number in the text, also those inside names', () => {
    const expression = parseExpression('a norm_percentile_5_95 1e-3 -2.50 * 5-3 x.5 7. -');
    expect(expression.literals).toEqual(['5', '95', '1', '-3', '-2.50', '7']);
    expect(expression.tokens.map((token) => token.kind)).toEqual([
      'name',
      'unary',
      'name',
      'literal',
      'binary',
      'name',
      'name',
      'name',
      'binary',
    ]);
  });

  it('splits on any Unicode white space and nothing else', () => {
    expect(parseExpression('a\t\n b\u0085\u3000+').tokens.map((token) => token.text)).toEqual(['a', 'b', '+']);
    expect(parseExpression('a\ufeffb').tokens.map((token) => token.text)).toEqual(['a\ufeffb']);
  });

  it.each([
    ['', 'empty', 0],
    ['a +', 'missing-operand', 1],
    ['a b', 'left-over', 2],
    ['a १ +', 'unreadable-number', 1],
  ])('lists the problem of %j', (text, code, tokenIndex) => {
    expect(parseExpression(text).problems).toMatchObject([{ code, tokenIndex }]);
  });

  it('names the columns it needs once each', () => {
    expect(parseExpression('b a b + 2 * +').columnNames).toEqual(['b', 'a']);
  });
});

describe('checkExpression', () => {
  it('finds unknown names and suggests what was meant', () => {
    expect(checkExpression(parseExpression('price pcvr +'), ['price', 'pcv'])).toMatchObject([
      { code: 'unknown-token', token: 'pcvr', suggestion: 'pcv' },
    ]);
    expect(checkExpression(parseExpression('pctr logg'), ['pctr'])).toMatchObject([{ suggestion: 'log' }, { code: 'left-over' }]);
  });

  it('refuses a column that is listed twice', () => {
    expect(checkExpression(parseExpression('a b +'), ['a', 'b', 'a'])).toMatchObject([{ code: 'duplicate-column', token: 'a' }]);
  });

  it('reports all problems at once, in order', () => {
    const problems = checkExpression(parseExpression('x y + z *  १ +'), ['y']);
    expect(problems.map((problem) => problem.token)).toEqual(['x', 'z', '१']);
  });
});

describe('compileExpression', () => {
  it('throws with every problem', () => {
    const attempt = () => compileExpression('a nope + *', ['a'], 'fp32');
    expect(attempt).toThrow(NumerixError);
    expect(attempt).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_NUMERIX_EXPRESSION_INVALID', problems: expect.objectContaining({ length: 2 }) }),
    );
  });
});
