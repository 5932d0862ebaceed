import { text } from 'node:stream/consumers';

/** Where a command reads and writes; tests give their own. */
export interface CommandIo {
  readStdin(): Promise<string>;
  out(text: string): void;
  error(text: string): void;
  /** Exit status of the process once everything is written. */
  exitWith(code: number): void;
}

/** The process's own streams. */
export const processIo: CommandIo = {
  readStdin: () => text(process.stdin),
  out: (written) => void process.stdout.write(written),
  error: (written) => void process.stderr.write(written),
  exitWith: (code) => {
    process.exitCode = code;
  },
};

/** Exit status of every command. */
export const ExitCode = { ok: 0, refused: 1, usage: 2 } as const;
