import { describe, expect, it } from 'vitest';
import { type Turn, Turns } from './turns.js';

/** Turns of names, and which of them have begun. */
function world(most: number) {
  const turns = new Turns(most);
  const begun: string[] = [];
  const turn = (name: string): Turn => ({ begin: () => void begun.push(name) });
  return { turns, begun, turn };
}

describe('Turns', () => {
  it('begins as many as may run, and the others in the order in which they came', () => {
    const { turns, begun, turn } = world(2);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(turn) as [Turn, Turn, Turn, Turn];
    for (const each of [a, b, c, d]) turns.add(each);
    expect([begun, turns.running, turns.waiting]).toEqual([['a', 'b'], 2, 2]);
    turns.over(b);
    turns.over(a);
    expect([begun, turns.running, turns.waiting]).toEqual([['a', 'b', 'c', 'd'], 2, 0]);
    turns.over(c);
    turns.over(d);
    expect([turns.running, turns.waiting]).toEqual([0, 0]);
  });

  it('skips what was given up while it waited, and counts nothing twice', () => {
    const { turns, begun, turn } = world(1);
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(turn) as [Turn, Turn, Turn, Turn];
    for (const each of [a, b, c, d]) turns.add(each);
    turns.over(b);
    turns.over(b);
    expect(begun).toEqual(['a']);
    turns.over(a);
    turns.over(a);
    expect([begun, turns.running, turns.waiting]).toEqual([['a', 'c'], 1, 1]);
  });

  it('takes any number that are over as they begin', () => {
    const turns = new Turns(1);
    const first: Turn = { begin: () => {} };
    let begun = 0;
    turns.add(first);
    for (let i = 0; i < 100_000; i++) {
      const turn: Turn = {
        begin: () => {
          begun++;
          turns.over(turn);
        },
      };
      turns.add(turn);
    }
    turns.over(first);
    expect([begun, turns.running, turns.waiting]).toEqual([100_000, 0, 0]);
  });

  it('begins what comes while another begins afterwards', () => {
    const turns = new Turns(2);
    const begun: string[] = [];
    const inner: Turn = { begin: () => void begun.push('inner') };
    turns.add({
      begin: () => {
        turns.add(inner);
        begun.push('outer');
      },
    });
    expect(begun).toEqual(['outer', 'inner']);
  });
});
