// Runs the wire conformance kit against the built server: every case as recorded, once more with each configuration translated into the
// documented dialect, and once with the configurations in etcd (the kit's stand-in; `--etcd URL` uses a real one for all three).
// Extra arguments go to the kit.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const extra = process.argv.slice(2);
const common = ['conformance/wire/run.mjs', '--cases', 'conformance/wire/cases', '--server', 'node apps/server/dist/main.js'];
let failed = false;
for (const [title, isInEtcd, through] of [
  ['as recorded', false, []],
  ['translated into the documented dialect', false, ['--through', 'node apps/cli/dist/main.js convert --to documented -']],
  ['in etcd', true, []],
]) {
  console.log(`\n-- configurations ${title}`);
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-conformance-'));
  try {
    const place = isInEtcd || extra.includes('--etcd') ? [] : ['--config-dir', directory];
    const { status } = spawnSync(process.execPath, [...common, ...place, ...through, ...extra], {
      cwd: root,
      stdio: 'inherit',
    });
    failed ||= status !== 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
process.exit(failed ? 1 : 0);
