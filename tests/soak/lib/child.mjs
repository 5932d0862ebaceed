// node child.mjs <suite> short|long [minutes]   (child of scripts/soak.mjs; leads the process group of its suite, whose TMPDIR is its own)
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SuiteRun } from './suite-run.mjs';
import { removeTemporary } from './temporary.mjs';

const [name, form, minutes] = process.argv.slice(2);
// The parent is gone without a word (`kill -9`): its work is ours, to remove the TMPDIR and end the whole group, whatever it runs.
process.on('disconnect', () => {
  removeTemporary(process.env.TMPDIR);
  process.kill(-process.pid, 'SIGKILL');
});

const suite = await import(pathToFileURL(join(import.meta.dirname, '..', `${name}.mjs`)).href);
const run = new SuiteRun((result) => process.send?.(result));
try {
  await suite[form](run, minutes === undefined ? undefined : Number(minutes));
} catch (error) {
  run.check('the suite ran to its end', false, error.stack ?? String(error));
} finally {
  await run.close();
}
process.send?.({ kind: 'finished' }, () => process.exit(0));
