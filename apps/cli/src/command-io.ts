import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';

/** Where a command reads and writes; tests give their own. */
export interface CommandIo {
  readStdin(): Promise<string>;
  out(text: string): void;
  /** What `out` writes to, for those who write much and wait for their reader. Absent in tests. */
  readonly stdout?: NodeJS.WriteStream;
  error(text: string): void;
  /** Asks a person; null where there is none to ask. @default nobody is there */
  readonly ask?: (question: string) => Promise<string | null>;
  /** Exit status of the process once everything is written. */
  exitWith(code: number): void;
}

/** The process's own streams. */
export const processIo: CommandIo = {
  readStdin: () => text(process.stdin),
  out: (written) => void process.stdout.write(written),
  stdout: process.stdout,
  error: (written) => void process.stderr.write(written),
  ask: askTerminal,
  exitWith: (code) => {
    process.exitCode = code;
  },
};

async function askTerminal(question: string): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // The end of the input is an answer too: none.
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
    return await Promise.race([terminal.question(question), ended]);
  } finally {
    terminal.close();
  }
}

/** Exit status of every command. `lostRace`: somebody else wrote first. `unavailable`: a service that it needs cannot be used. */
export const ExitCode = { ok: 0, refused: 1, usage: 2, lostRace: 3, unavailable: 4 } as const;
