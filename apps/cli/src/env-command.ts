import { readEnvironment, ServerStartError } from '@inferflow/server';
import { Command, Option } from 'commander';
import { type CommandIo, ExitCode, processIo } from './command-io.js';
import { renderTable } from './render-table.js';

/** `inferflow env`: what the server would read from this environment, from where, and what is unknown. Exit status 1 when it would not start. */
export function createEnvCommand(io: CommandIo = processIo): Command {
  return new Command('env')
    .description('show the settings a server would read from this environment; secrets are hidden')
    .option('--set', 'only what is set')
    .addOption(new Option('-f, --format <format>', 'output').choices(['table', 'json']).default('table'))
    .action((options: { readonly set?: boolean; readonly format: 'table' | 'json' }) => {
      try {
        const { settings, notices } = readEnvironment(process.env);
        const shown = settings.filter(({ from }) => options.set !== true || from !== null);
        if (options.format === 'json') {
          io.out(`${JSON.stringify({ settings: shown, notices }, null, 2)}\n`);
          return;
        }
        io.out(
          `${renderTable(
            ['variable', 'value', 'from', 'default'],
            shown.map(({ name, value, from, default: unset }) => [
              name,
              value ?? '(unset)',
              from ?? 'default',
              from === null ? '' : (unset ?? '(unset)'),
            ]),
          )}\n`,
        );
        for (const notice of notices) io.error(`${notice}\n`);
      } catch (error) {
        if (!(error instanceof ServerStartError)) throw error;
        for (const problem of error.problems) io.error(`${problem}\n`);
        io.exitWith(ExitCode.refused);
      }
    });
}
