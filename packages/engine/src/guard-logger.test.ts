import { expect, it } from 'vitest';
import { guardLogger } from './guard-logger.js';
import { collectWarnings } from './testing/collect-warnings.js';

const warnings = collectWarnings();

it('whatever a logger throws becomes a process warning, also what cannot be told in words', async () => {
  const broken = (thrown: unknown) => () => {
    throw thrown;
  };
  const logger = guardLogger({ info: broken(new Error('full')), warn: broken(Object.create(null)), error: broken('text') });
  logger.info({}, 'a');
  logger.warn({}, 'b');
  logger.error({}, 'c');
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings.map(({ message }) => message)).toEqual([
    'the logger threw: full',
    'the logger threw: a value that is no error',
    'the logger threw: a value that is no error',
  ]);
});
