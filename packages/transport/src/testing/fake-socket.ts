/** A socket that keeps what is written, and takes it at once unless told otherwise. */
export class FakeSocket {
  writableLength = 0;
  takes = true;
  written: Buffer[] = [];
  #callbacks: (() => void)[] = [];

  write(bytes: Buffer, callback?: () => void): boolean {
    this.written.push(Buffer.from(bytes));
    if (!this.takes) this.writableLength += bytes.length;
    if (callback !== undefined) this.#callbacks.push(callback);
    return this.takes;
  }

  cork(): void {}
  uncork(): void {}

  drain(): void {
    this.writableLength = 0;
    for (const callback of this.#callbacks.splice(0)) callback();
  }
}
