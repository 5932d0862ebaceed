/** Bytes that grow at the end and are reused: the owner resets them before each use. Never shared between two owners. */
export class ByteBuffer {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  view: DataView<ArrayBuffer> = new DataView(this.bytes.buffer);
  /** End of what is used. */
  end = 0;

  /** Makes room for `length` more bytes behind `end` (may replace `bytes` and `view`); does not move `end`. */
  ensure(length: number): void {
    const need = this.end + length;
    if (need <= this.bytes.length) return;
    const next = new Uint8Array(Math.max(need, this.bytes.length * 2, 1024));
    next.set(this.bytes.subarray(0, this.end));
    this.bytes = next;
    this.view = new DataView(next.buffer);
  }

  /** Forgets the content. Memory above `keepBytes` is given back, so that one large request does not stay for ever. */
  reset(keepBytes = 1 << 20): void {
    this.end = 0;
    if (this.bytes.length <= keepBytes) return;
    this.bytes = new Uint8Array(0);
    this.view = new DataView(this.bytes.buffer);
  }
}
