import type { ModelConfig } from './model-config.js';
import type { Problem } from './problem.js';
import type { ConfigSnapshot } from './snapshot.js';

/**
 * A last say before a config serves, such as the engine compiling it. Problems are added to the model's; with an error among them
 * the model's last good version stays. Called once per new version.
 */
export type AcceptModel = (config: ModelConfig) => readonly Problem[];

/**
 * Prepares an accepted config for its first request, such as by opening connections. Best effort and quick: it must settle within
 * `LONGEST_WARM_MS`. Problems with an error among them keep the model's last good version, so they are to be proven ones; it resolves to null
 * where nothing could be found out, which refuses nothing. Null instead of a promise: there is nothing to prepare.
 */
export type WarmModel = (config: ModelConfig) => Promise<readonly Problem[] | null> | null;

/** A new version never waits longer than this for being prepared, milliseconds. */
export const LONGEST_WARM_MS = 300;

/** Where model configs come from. */
export interface ConfigSource {
  /**
   * Reads everything once and then follows changes. Every later snapshot goes to the listener, perhaps before the first one, which is
   * returned, has arrived.
   * Rejects with `ConfigError` if the source cannot be read at all. A bad model never makes it reject.
   * @param warm asked about every accepted new version before it serves; a source may leave it out
   */
  start(listener: (snapshot: ConfigSnapshot) => void, accept?: AcceptModel, warm?: WarmModel): Promise<ConfigSnapshot>;
  /** Stops following; no snapshot is delivered afterwards. */
  close(): Promise<void>;
  /** One line for logs, such as `directory /etc/inferflow`. */
  readonly description: string;
}
