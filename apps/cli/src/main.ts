#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import type { Command as CommandType } from 'commander';

// Listened to before anything is loaded: the kernel drops signals that the first process of a container has no listener for.
const signals = ['SIGTERM', 'SIGINT'] as const;
const end = (): never => process.exit(0);
if (process.argv[2] === 'serve') for (const signal of signals) process.on(signal, end);
const handSignalsOver = (): void => {
  for (const signal of signals) process.off(signal, end);
};

const { Command } = await import('commander');

// Loaded on demand, so that `convert` in a pipe does not pay for the server.
const commands: Readonly<Record<string, () => Promise<CommandType>>> = {
  serve: async () => (await import('./serve-command.js')).createServeCommand(handSignalsOver),
  infer: async () => (await import('./infer-command.js')).createInferCommand(),
  lint: async () => (await import('./lint-command.js')).createLintCommand(),
  convert: async () => (await import('./convert-command.js')).createConvertCommand(),
  graph: async () => (await import('./graph-command.js')).createGraphCommand(),
  'explain-plan': async () => (await import('./explain-plan-command.js')).createExplainPlanCommand(),
  plan: async () => (await import('./plan-command.js')).createPlanCommand(),
  push: async () => (await import('./store/push-command.js')).createPushCommand(),
  pull: async () => (await import('./store/pull-command.js')).createPullCommand(),
  history: async () => (await import('./store/history-command.js')).createHistoryCommand(),
  rollback: async () => (await import('./store/rollback-command.js')).createRollbackCommand(),
  status: async () => (await import('./store/status-command.js')).createStatusCommand(),
  import: async () => (await import('./import/import-command.js')).createImportCommand(),
  export: async () => (await import('./import/export-command.js')).createExportCommand(),
  decode: async () => (await import('./decode-command.js')).createDecodeCommand(),
  replay: async () => (await import('./replay-command.js')).createReplayCommand(),
  env: async () => (await import('./env-command.js')).createEnvCommand(),
};

function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string };
  return manifest.version;
}

const program = new Command('inferflow')
  .description('configured graphs that answer scoring requests')
  .version(ownVersion())
  .showHelpAfterError('(--help lists the flags)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
const name = process.argv[2] ?? '';
const wanted = Object.hasOwn(commands, name) ? commands[name] : undefined;
// Commands that are added do not take over how the program ends: a mistake in the flags is status 2 for each of them.
for (const load of wanted === undefined ? Object.values(commands) : [wanted])
  program.addCommand((await load()).copyInheritedSettings(program));

// Whoever reads may have read enough (`| head`): what a command has begun, such as writing files, it ends all the same.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    // A server logs it, and goes on.
    if (wanted === commands['serve']) throw error;
    if (stream === process.stdout) process.stderr.write(`inferflow: standard output cannot be written: ${error.message}\n`);
    process.exit(1);
  });
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`inferflow: ${(error as Error).message}\n`);
  process.exit(1);
}
