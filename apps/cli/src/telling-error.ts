import { InputError } from './config-input.js';

/**
 * What to tell about an error that is the caller's, a file's or a broker's, where a trace would not help; undefined for any other: that
 * one is a mistake of ours.
 * @param topic what was read, if it was a topic
 */
export function tellingText(error: unknown, topic?: string): string | undefined {
  const { code, name, type, message } = error as NodeJS.ErrnoException & { readonly type?: string };
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return `there is no topic "${topic ?? ''}" at these brokers, or it may not be read`;
  const isTelling =
    error instanceof InputError ||
    error instanceof SyntaxError ||
    (typeof code === 'string' && /^(?:E[A-Z]+|INFERFLOW_\w+)$/.test(code)) ||
    /^KafkaJS/.test(name ?? '');
  return isTelling ? message : undefined;
}
