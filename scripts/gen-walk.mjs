// Assembles packages/proto/src/hot/walk.wat into walk.gen.ts: node scripts/gen-walk.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = new URL('../packages/proto/src/hot/', import.meta.url);
const require = createRequire(fileURLToPath(new URL('../packages/proto/package.json', import.meta.url)));

/** The text of walk.gen.ts for a source in WebAssembly text format. */
export async function assembleWalk(source) {
  const { parseWat } = await require('wabt')();
  const module = parseWat('walk.wat', source, { simd: true, bulk_memory: true });
  module.validate();
  const bytes = Buffer.from(module.toBinary({}).buffer);
  const lines = bytes.toString('base64').match(/.{1,120}/g);
  return [
    '// Assembled from walk.wat by `node scripts/gen-walk.mjs`; do not edit.',
    '',
    `/** The module in base64, ${bytes.length} bytes. */`,
    `export const walkModule =`,
    `${lines.map((line) => `  '${line}'`).join(' +\n')};`,
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('walk.gen.ts', folder), await assembleWalk(readFileSync(new URL('walk.wat', folder), 'utf8')));
}
