import type { Labels } from './metric-child.js';
import type { StatsdDefinition, StatsdTag } from './metric-definition.js';

/** The part of a line behind the value's type, prebuilt per child: `|#env:prod,service:x,model-id,m1`. */
export function tagText(definition: StatsdDefinition, labels: Labels, globalTags: readonly string[]): string {
  const isSecond = definition.client === 'second';
  const own = definition.tags.flatMap((tag) => toTags(tag, labels, isSecond ? replaceOdd : keepOnLine));
  const tags = isSecond ? own : [...globalTags, ...own];
  return tags.length === 0 ? '' : `|#${tags.join(',')}`;
}

/** A tag such as `env:prod`, fit for a line. */
export function globalTag(key: string, value: string): string {
  return `${key}:${keepOnLine(value)}`;
}

/** `name:3|c|#…`: counts are exact, so they carry no rate. */
export function countLine(name: string, value: number, tags: string): string {
  return `${name}:${plainDecimal(value)}|c${tags}`;
}

/** `name:0.5|g|#…` */
export function gaugeLine(name: string, value: number, tags: string): string {
  return `${name}:${plainDecimal(value)}|g${tags}`;
}

function toTags(tag: StatsdTag, labels: Labels, clean: (value: string) => string): string[] {
  if (tag.form === 'constant') return [tag.text];
  const value = labels[tag.label];
  if (value === undefined) return [];
  return tag.form === 'bare' ? [tag.key, clean(value)] : [`${tag.key}:${clean(value)}`];
}

/** Values go out as they are, but none may end its tag, its line or its section. */
function keepOnLine(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not get through
  return value.replace(/[,|\u0000-\u001f\u007f]/g, '_');
}

/** What the original's second client replaces. */
function replaceOdd(value: string): string {
  return keepOnLine(value).replace(/[: \\@#]/g, '_');
}

/** JavaScript writes very small and very large numbers with an exponent, which agents need not understand. */
export function plainDecimal(value: number): string {
  const text = String(value);
  if (!text.includes('e')) return text;
  return Math.abs(value) < 1 ? value.toFixed(20).replace(/\.?0+$/, '') : BigInt(Math.round(value)).toString();
}
