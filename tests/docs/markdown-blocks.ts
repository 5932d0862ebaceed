/** What a comment above a fenced block asks for. */
export type Directive =
  /** `<!-- test -->`: run it; it has to exit 0, or as `<!-- test: exit 1 -->` says. */
  | { readonly kind: 'test'; readonly exitCode: number }
  /** `<!-- test: server -->`: run it in the background until the page ends; it has to become ready. */
  | { readonly kind: 'server' }
  /** `<!-- file: name -->`: write it into the page's directory. */
  | { readonly kind: 'file'; readonly path: string }
  /** `<!-- prints -->`: its lines (JSON: all of it) appear, in this order, in what the last run block printed; `…` stands for anything. */
  | { readonly kind: 'prints' };

/** A fenced block with a directive. */
export interface MarkedBlock {
  readonly directive: Directive;
  readonly language: string;
  readonly text: string;
  /** Of the opening fence, counted from 1. */
  readonly line: number;
}

/** All blocks of a page that carry a directive, in order. Throws for a directive without a block, or an unknown one. */
export function markedBlocks(markdown: string): readonly MarkedBlock[] {
  const lines = markdown.split('\n');
  const blocks: MarkedBlock[] = [];
  let directive: Directive | null = null;
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    const comment = /^<!-- (test|file|prints)(?:: (.+))? -->$/.exec(line);
    if (comment !== null) {
      if (directive !== null) throw new Error(`line ${index + 1}: two directives for one block`);
      directive = parseDirective(comment[1]!, comment[2], index + 1);
      continue;
    }
    const fence = /^```(\S*)/.exec(line);
    if (fence !== null) {
      const start = index + 1;
      for (index++; index < lines.length && lines[index] !== '```'; index++);
      const text = `${lines.slice(start, index).join('\n')}\n`;
      if (directive !== null) blocks.push({ directive, language: fence[1]!, text, line: start });
      directive = null;
    } else if (directive !== null && line.trim() !== '')
      throw new Error(`line ${index + 1}: a directive has to stand right above its block`);
  }
  return blocks;
}

function parseDirective(word: string, argument: string | undefined, line: number): Directive {
  if (word === 'file' && argument !== undefined) return { kind: 'file', path: argument };
  if (word === 'prints' && argument === undefined) return { kind: 'prints' };
  if (word === 'test') {
    if (argument === undefined) return { kind: 'test', exitCode: 0 };
    if (argument === 'server') return { kind: 'server' };
    const exit = /^exit (\d+)$/.exec(argument);
    if (exit !== null) return { kind: 'test', exitCode: Number(exit[1]) };
  }
  throw new Error(`line ${line}: unknown directive "${word}${argument === undefined ? '' : `: ${argument}`}"`);
}

/** Whether JSON that may hold `…` for anything is what was printed, however either is laid out. */
export function isShortenedJson(expected: string, printed: string): boolean {
  const squash = (text: string) => text.replaceAll(/\s/g, '');
  return new RegExp(`^${squash(expected).split('…').map(literally).join('.*')}$`, 's').test(squash(printed));
}

/** The first line of `expected` that `printed` does not hold behind the ones before it; null when all are there. */
export function firstMissingLine(expected: string, printed: string): string | null {
  let rest = printed.split('\n').map((line) => line.trimEnd());
  for (const line of expected.split('\n')) {
    if (line.trim() === '' || line.trim() === '…') continue;
    const pattern = new RegExp(`^${line.trimEnd().split('…').map(literally).join('.*')}$`);
    const at = rest.findIndex((candidate) => pattern.test(candidate));
    if (at < 0) return line;
    rest = rest.slice(at + 1);
  }
  return null;
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
