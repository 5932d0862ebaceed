import { componentContract, runComponent } from '@inferflow/components/testing';
import { describe, expect, it } from 'vitest';
import { businessRules, components } from './index.js';

const config = {
  score_column: 'model_score',
  output_column: 'final_score',
  rules: [
    { when: { column: 'stock', is: 'below', value: 5 }, multiply: 0.5 },
    { when: { column: 'brand', is: 'equal', value: 'own' }, add: 0.1 },
    { when: { column: 'price', is: 'missing' }, multiply: 0 },
  ],
  repeats: { column: 'brand', keep: 1, multiply: 0.1 },
};
const columns = {
  model_score: [0.8, 0.6, 0.4, null, 0.2],
  stock: [3, 10, 10, 10, 10],
  brand: ['a', 'b', 'own', 'a', 'b'],
  price: [9, 9, 9, 9, null],
};

describe('business_rules', () => {
  it('changes scores where conditions hold and pushes repeats down', async () => {
    const { columns: written, failure } = await runComponent(businessRules, { config, columns });
    expect(failure).toBeNull();
    expect(written['final_score']).toEqual([0.4, 0.6, 0.5, null, 0].map((score) => (score === null ? null : Math.fround(score))));
  });

  it('demotes only the worse rows of a value', async () => {
    const { columns: written } = await runComponent(businessRules, {
      config: { score_column: 's', output_column: 'f', repeats: { column: 'brand', keep: 2, multiply: 0.5 } },
      columns: { s: [1, 4, 2, 3], brand: ['x', 'x', 'x', 'y'] },
    });
    expect(written['f']).toEqual([0.5, 4, 2, 3]);
  });

  it('lists everything that is wrong with its configuration', () => {
    const wrong = { score_column: '', rules: [{ when: { column: 'x', is: 'like' }, multiply: 'much' }], repeats: { column: 'b', keep: 0 } };
    expect(() => businessRules.parseConfig(wrong)).toThrow(
      /\$\.score_column.*\$\.output_column.*\$\.rules\[0\]\.when\.is.*\$\.rules\[0\]\.multiply.*\$\.repeats\.keep/,
    );
    expect(() => businessRules.parseConfig({ score_column: 's', output_column: 's' })).toThrow(/another column/);
  });

  it('is what the module offers to a server', () => {
    expect(components.map((definition) => definition.type)).toEqual(['business_rules']);
  });

  describe('keeps the component contract', () => {
    for (const check of componentContract(businessRules, { config, columns })) it(check.name, () => check.run());
  });
});
