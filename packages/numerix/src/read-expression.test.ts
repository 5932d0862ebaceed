import { describe, expect, it } from 'vitest';
import { createExpressionEngine } from './expression-engine.js';
import { readExpression } from './read-expression.js';

describe('readExpression', () => {
  it.each([
    ['a b +', undefined, 'a b +'],
    ['a + b', undefined, 'a b +'],
    ['(a+b)*c', undefined, 'a b + c *'],
    ['a+b', undefined, 'a b +'],
    ['exp(a)', undefined, 'a exp'],
    ['a', undefined, 'a'],
    ['item:score seller@rank >', undefined, 'item:score seller@rank >'],
    // A known column is never taken apart.
    ['a+b', ['a+b'], 'a+b'],
    ['a b', undefined, 'a b'],
    ['a $', ['a'], 'a $'],
  ])('%s with columns %j is %s', (text, columnNames, postfix) => {
    expect(readExpression(text, columnNames).text).toBe(postfix);
  });
});

describe('compile of an engine', () => {
  const engine = createExpressionEngine({ expressions: { blend: { infix: '0.25 * a + 0.75 * b' } } });

  it('compiles the expression of a compute id for the names it reads', () => {
    const compiled = engine.compile(engine.forComputeId('blend')!, 'fp32');
    expect(compiled.columnNames).toEqual(['a', 'b']);
    expect([...compiled.evaluate([Float32Array.of(4, 8), Float32Array.of(0, 4)], 2)]).toEqual([1, 5]);
    expect(engine.forComputeId('other')).toBeUndefined();
  });

  it('compiles inline text for columns in a given order', () => {
    const compiled = engine.compile('b - a', 'fp64', ['a', 'b', 'unused']);
    expect([...compiled.evaluate([Float64Array.of(1), Float64Array.of(3), new Float64Array(0)], 1)]).toEqual([2]);
  });

  it('throws with every problem', () => {
    expect(() => engine.compile('a * nope', 'fp32', ['a'])).toThrow("'nope' is neither");
    expect(() => engine.compile('a b', 'fp32')).toThrow('2 values are left');
  });
});
