import type { ConfigSnapshot } from './snapshot.js';

/** Where model configs come from. */
export interface ConfigSource {
  /**
   * Reads everything once and then follows changes. Every later snapshot goes to the listener; the first one is returned.
   * Rejects with `ConfigError` if the source cannot be read at all. A bad model never makes it reject.
   */
  start(listener: (snapshot: ConfigSnapshot) => void): Promise<ConfigSnapshot>;
  /** Stops following; no snapshot is delivered afterwards. */
  close(): Promise<void>;
  /** One line for logs, such as `directory /etc/inferflow`. */
  readonly description: string;
}
