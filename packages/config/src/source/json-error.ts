const blank = /[ \t\n\r]*/y;
const plainValue = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** Part of a text: a pattern of all of it would need a stack as large. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON takes none of them.
const textPart = /[^"\\\u0000-\u001f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/** What may come next: `value]` and `key}` stand for the first of a list or an object, which may be empty. */
type Next = 'value' | 'value]' | 'key' | 'key}' | ':' | ',' | 'nothing';

/**
 * What `JSON.parse` says about a text, and where: `line 3, column 5: Unexpected token ']'`. The engine names the place of some mistakes
 * only, and quotes the text around the others.
 */
export function jsonErrorOf(text: string, error: unknown): string {
  const reason = (error instanceof Error ? error.message : String(error))
    .replace(/^(Unexpected token '.{1,2}'), .*$/su, '$1')
    .replace(/(?: in JSON)? at position \d+(?: \(.*\))?$/, '');
  const before = text.slice(0, endOfValid(text));
  const line = before.split('\n').length;
  return `line ${line}, column ${before.length - before.lastIndexOf('\n')}: ${reason}`;
}

/** Where a text stops being JSON. */
function endOfValid(text: string): number {
  const open: ('}' | ']')[] = [];
  let next: Next = 'value';
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found !== undefined;
  };
  for (;;) {
    take(blank);
    const character = text[at];
    const closing = open.at(-1);
    if (next === 'nothing' || character === undefined) return at;
    if (character === closing && (next === ',' || next.endsWith(closing))) {
      open.pop();
      at++;
      next = open.length === 0 ? 'nothing' : ',';
    } else if (next === ':' || next === ',') {
      if (character !== next) return at;
      at++;
      next = next === ',' && closing === '}' ? 'key' : 'value';
    } else if (character === '"') {
      at++;
      while (take(textPart));
      if (text[at] !== '"') return at;
      at++;
      next = next.startsWith('key') ? ':' : open.length === 0 ? 'nothing' : ',';
    } else if (next.startsWith('key')) {
      return at;
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? '}' : ']');
      at++;
      next = character === '{' ? 'key}' : 'value]';
    } else {
      if (!take(plainValue)) return at;
      next = open.length === 0 ? 'nothing' : ',';
    }
  }
}
