import type { CommandIo } from './command-io.js';

/** A bar with the rate on standard error, for people only, once reading takes longer than a moment. */
export class ReadProgress {
  readonly #io: CommandIo;
  readonly #isShownAtAll: boolean;
  readonly #started = performance.now();
  #shownAt: number;
  #isShown = false;

  /** @param quietMs how long nothing is shown */
  constructor(io: CommandIo, isTerminal = process.stderr.isTTY === true, quietMs = 1000) {
    this.#io = io;
    this.#isShownAtAll = isTerminal;
    this.#shownAt = this.#started + quietMs;
  }

  /** @param total 0 = nobody knows: then only counts are shown */
  show(done: number, total: number, rows: number): void {
    if (!this.#isShownAtAll) return;
    const now = performance.now();
    if (now < this.#shownAt) return;
    this.#shownAt = now + 200;
    this.#isShown = true;
    const share = total > 0 ? Math.min(done / total, 1) : 0;
    const bar = `${'█'.repeat(Math.round(share * 24)).padEnd(24, '░')} ${(share * 100).toFixed(0).padStart(3)} %  `;
    const rate = Math.round((rows / Math.max(now - this.#started, 1)) * 1000);
    this.#io.error(`\r${total > 0 ? bar : ''}${rows} rows, ${rate} rows/s `);
  }

  end(): void {
    if (this.#isShown) this.#io.error('\n');
  }
}
