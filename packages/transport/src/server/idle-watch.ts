const looks = 4;

/**
 * Tells when a connection has been without traffic for a time, or for a quarter more. It looks now and then: a timer that every frame pushes
 * back costs more than the rest of what a connection does for a frame.
 */
export class IdleWatch {
  readonly #traffic: () => number;
  readonly #onIdle: () => void;
  readonly #timer: NodeJS.Timeout;
  #seen = -1;
  #quietLooks = 0;

  /**
   * @param traffic bytes read and written so far; must not throw, whatever became of the connection
   * @param onIdle called again for as long as the quiet lasts
   */
  constructor(traffic: () => number, timeoutMs: number, onIdle: () => void) {
    this.#traffic = traffic;
    this.#onIdle = onIdle;
    this.#timer = setInterval(() => this.#look(), Math.max(1, timeoutMs / looks));
    this.#timer.unref();
    this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const bytes = this.#traffic();
    if (bytes !== this.#seen) {
      this.#seen = bytes;
      this.#quietLooks = 0;
    } else if (++this.#quietLooks >= looks) this.#onIdle();
  }
}
