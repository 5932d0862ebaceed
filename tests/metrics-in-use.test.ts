import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { metricTable } from '../packages/telemetry/src/index.js';

const root = join(import.meta.dirname, '..');

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /^(?!.*(\/gen\/|testing\/|\.test\.)).*\.ts$/.test(name))
    .map((name) => readFileSync(join(folder, name), 'utf8'));
}

it('every metric of the table is written somewhere: nobody waits for one that never comes', () => {
  const folders = ['packages', 'apps'].flatMap((kind) => readdirSync(join(root, kind)).map((name) => join(root, kind, name, 'src')));
  const code = folders
    .flatMap(sources)
    .filter((text) => !text.includes('const shapes = {'))
    .join('\n');
  const unused = metricTable.map(({ name }) => name).filter((name) => !new RegExp(`Metric\\.${name}\\b|'${name}'`).test(code));
  expect(unused).toEqual([]);
});
