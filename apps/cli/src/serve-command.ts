import { runServer, ServerStartError } from '@inferflow/server';
import { Command } from 'commander';

/**
 * `inferflow serve`: the server with the environment's settings, the common ones as flags.
 * @param onRunning told once the server listens to signals itself
 */
export function createServeCommand(onRunning: () => void): Command {
  return new Command('serve')
    .description('run the server; without a configuration it serves the embedded demo')
    .option('-c, --config-dir <directory>', 'directory with models/<id>.json|yaml (INFERFLOW_CONFIG_DIR)')
    .option('-p, --port <port>', 'port to listen on (APP_PORT)')
    .option('--plugins <modules>', 'comma list of plugin modules (INFERFLOW_PLUGINS)')
    .option('--log-level <level>', 'APP_LOG_LEVEL')
    .action(async (options: { configDir?: string; port?: string; plugins?: string; logLevel?: string }) => {
      const flags: Record<string, string | undefined> = {
        INFERFLOW_CONFIG_DIR: options.configDir,
        APP_PORT: options.port,
        INFERFLOW_PLUGINS: options.plugins,
        APP_LOG_LEVEL: options.logLevel,
      };
      const given = Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
      try {
        const running = runServer({ ...process.env, ...given });
        onRunning();
        await running;
      } catch (error) {
        if (!(error instanceof ServerStartError)) throw error;
        for (const problem of error.problems) process.stderr.write(`${problem}\n`);
        process.exit(1);
      }
    });
}
