import type { BodyWriter, CallScope } from '@inferflow/transport';
import type { EngineError } from './errors.js';

/** Who asked: the server's hot call, or a transcoded one. The engine calls exactly one of `respond` and `refuse`, or neither after the scope ended. */
export interface Caller {
  readonly scope: CallScope;
  header(name: string): string | undefined;
  headerValues(name: string): readonly string[];
  /** The body must be written before this returns. */
  respond(body: BodyWriter): void;
  refuse(error: EngineError): void;
}
