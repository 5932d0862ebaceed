// node child.mjs <suite> short|long [minutes]   (child of scripts/soak.mjs, which leads the process group this one lives in)

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SuiteRun } from './suite-run.mjs';

const [name, form, minutes] = process.argv.slice(2);
// The parent is gone: end the whole group, whatever it runs.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'));

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
