import { expect, it } from 'vitest';
import { guardLogger } from './guard-logger.js';

it('whatever a logger throws becomes a process warning, also what cannot be told in words', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => warnings.push(message);
  process.on('warning', note);
  const broken = (thrown: unknown) => () => {
    throw thrown;
  };
  const logger = guardLogger({ info: broken(new Error('full')), warn: broken(Object.create(null)), error: broken('text') });
  logger.info({}, 'a');
  logger.warn({}, 'b');
  logger.error({}, 'c');
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  expect(warnings).toEqual([
    'the logger threw: full',
    'the logger threw: a value that is no error',
    'the logger threw: a value that is no error',
  ]);
});
