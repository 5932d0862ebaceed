import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileExpression } from './compile-expression.js';
import { evaluate } from './evaluate.js';
import { fromInfix } from './infix.js';

describe('fromInfix', () => {
  it.each([
    ['a+b*c', 'a b c * +'],
    ['(a+b)*c', 'a b + c *'],
    ['a^b^c', 'a b c ^ ^'],
    ['max(a,min(b,c))', 'a b c min max'],
    ['exp(log(a)+1)', 'a log 1 + exp'],
    ['a > 0.5 & b < 1 | c == 0', 'a 0.5 > b 1 < & c 0 == |'],
    ['norm_min_max(a)*0.5+norm_percentile_5_95(b)*0.5', 'a norm_min_max 0.5 * b norm_percentile_5_95 0.5 * +'],
    ['-2*a', '-2 a *'],
    ['a - b - c', 'a b - c -'],
    ['a - 2', 'a 2 -'],
    ['1e3*a', '1e3 a *'],
    ['.5*a', '.5 a *'],
    [' ( a ) ', 'a'],
    ['constructor*__proto__', 'constructor __proto__ *'],
  ])('%s → %s', (infix, postfix) => {
    expect(fromInfix(infix)).toBe(postfix);
  });

  it.each([
    ['a-2', 'character 2: expected an operator before -2'],
    ['-a', 'no unary minus'],
    ['a,b', 'comma'],
    ['a*(b', '( is never closed'],
    ['a $ b', "'$'"],
    ['min(a,b,c)', 'min takes two arguments, got 3'],
    ['exp(a,b)', 'exp takes one argument, got 2'],
    ['exp a', 'needs parentheses'],
    ['a b', 'expected an operator before b'],
    ['a )', 'closes nothing'],
    ['', 'empty'],
    ['a +', 'expected a value at the end'],
    ['f(a)', 'expected an operator before ('],
    ['toString(a)', 'expected an operator before ('],
    ['()', 'expected a value before )'],
  ])('refuses %j and says where', (infix, message) => {
    expect(() => fromInfix(infix)).toThrow(message);
  });

  it('keeps the value of fully parenthesised arithmetic', () => {
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('a', 'b', '2', '0.25'),
        fc
          .tuple(tie('tree'), fc.constantFrom('+', '-', '*'), tie('tree'))
          .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
      ),
    }));
    fc.assert(
      fc.property(tree, (infix) => {
        const a = 1.5;
        const b = -3.25;
        const expected = Function('a', 'b', `return ${infix}`)(a, b) as number;
        const compiled = compileExpression(fromInfix(infix), ['a', 'b'], 'fp64');
        expect(evaluate(compiled, [Float64Array.of(a), Float64Array.of(b)], 1)[0]).toBe(expected);
      }),
      { numRuns: 200 },
    );
  });
});
