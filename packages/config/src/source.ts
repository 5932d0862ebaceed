import type { ModelConfig } from './model-config.js';
import type { Problem } from './problem.js';
import type { ConfigSnapshot } from './snapshot.js';

/**
 * A last say before a config serves, such as the engine compiling it. Problems are added to the model's; with an error among them
 * the model's last good version stays. Called once per new version.
 */
export type AcceptModel = (config: ModelConfig) => readonly Problem[];

/** Where model configs come from. */
export interface ConfigSource {
  /**
   * Reads everything once and then follows changes. Every later snapshot goes to the listener; the first one is returned.
   * Rejects with `ConfigError` if the source cannot be read at all. A bad model never makes it reject.
   */
  start(listener: (snapshot: ConfigSnapshot) => void, accept?: AcceptModel): Promise<ConfigSnapshot>;
  /** Stops following; no snapshot is delivered afterwards. */
  close(): Promise<void>;
  /** One line for logs, such as `directory /etc/inferflow`. */
  readonly description: string;
}
