import { LoggingError } from '../errors.js';
import { mostContentBytes } from '../zstd.js';

/**
 * What the compressed parts of one record may become together: a few bytes may say any number of them, and would fill the memory. Asked
 * before a part is opened.
 */
export class ContentRoom {
  #left = mostContentBytes;

  /** @throws LoggingError INFERFLOW_LOGGING_COMPRESSION_INVALID when so many bytes are too many, or are no number of bytes */
  take(bytes: number): void {
    if (!(bytes >= 0 && bytes <= this.#left))
      throw new LoggingError(
        'INFERFLOW_LOGGING_COMPRESSION_INVALID',
        `a compressed part of ${bytes} bytes; the parts of a record may have ${mostContentBytes} in all`,
      );
    this.#left -= bytes;
  }
}
