// Regenerates everything that is generated and fails when that changes a committed file.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (command, args) => execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
run('npm', ['run', '-s', 'gen']);
run(process.execPath, ['scripts/gen-walk.mjs']);
for (const generator of ['gen-metrics-doc', 'gen-config-doc', 'gen-env-doc']) {
  if (existsSync(`${root}scripts/${generator}.mjs`)) run(process.execPath, [`scripts/${generator}.mjs`]);
}
const generated = ['packages/proto/src/gen', 'packages/proto/src/hot/walk.gen.ts', 'docs/reference', 'packages/config/schema'];
const changed = run('git', ['status', '--porcelain', '--', ...generated]).trim();
if (changed !== '') {
  console.error(`Generated files are not current; run "npm run gen" and the generators under scripts/, then commit:\n${changed}`);
  process.exit(1);
}
console.log('generated files are current');
