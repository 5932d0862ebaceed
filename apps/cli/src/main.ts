#!/usr/bin/env node
import { Command } from 'commander';
import { createConvertCommand } from './convert-command.js';
import { createInferCommand } from './infer-command.js';
import { createLintCommand } from './lint-command.js';
import { createServeCommand } from './serve-command.js';

const program = new Command('inferflow')
  .description('configured graphs that answer scoring requests')
  .version('0.1.0')
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
for (const command of [createServeCommand(), createInferCommand(), createLintCommand(), createConvertCommand()]) program.addCommand(command);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`inferflow: ${(error as Error).message}\n`);
  process.exit(1);
}
