import { TransportError } from './errors.js';

/** Longer texts are not shown: where one is wrong, it may be a key. */
const mostShown = 60;

/** Collects what is wrong with options, so that one error names all of it: types do not hold for callers in JavaScript. */
export class OptionProblems {
  readonly #subject: string;
  readonly #found: string[] = [];

  /** @param subject whose options these are, the beginning of the error's text */
  constructor(subject: string) {
    this.#subject = subject;
  }

  /** Notes a problem in words of its own. */
  add(problem: string): void {
    this.#found.push(problem);
  }

  /** Notes an option whose value does not hold. */
  expect(holds: boolean, name: string, value: unknown, expected: string): void {
    if (!holds) this.add(`${name} is ${shown(value)}, expected ${expected}`);
  }

  /** The value when it is a number and large enough; anything else, NaN included, is noted, and `least` stands in for it. */
  atLeast(name: string, value: number, least: number): number {
    const holds = typeof value === 'number' && value >= least;
    this.expect(holds, name, value, `a number, at least ${least}`);
    return holds ? value : least;
  }

  /** Notes an option that is neither left out nor a function. */
  expectFunction(name: string, value: unknown): void {
    this.expect(value === undefined || value === null || typeof value === 'function', name, value, 'a function');
  }

  /** Without an object there is nothing more to look at: throws at once. */
  expectOptions(options: unknown, members: string): void {
    if (isObject(options)) return;
    this.expect(false, 'options', options, `an object with ${members}`);
    this.throwIfAny();
  }

  /** Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID` with all that was noted. */
  throwIfAny(): void {
    if (this.#found.length > 0)
      throw new TransportError('INFERFLOW_TRANSPORT_OPTIONS_INVALID', `${this.#subject}: ${this.#found.join('; ')}`);
  }
}

/** Whether a value has members by name; a list has none. */
export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value.length > mostShown ? `a text of ${value.length} characters` : JSON.stringify(value);
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return isObject(value) ? 'an object' : String(value);
}
