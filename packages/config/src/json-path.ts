/** Appends a field name or list position to a path: `$.a`, `$.a[0]`, `$.a["two words"]`. */
export function joinPath(path: string, part: string | number): string {
  if (typeof part === 'number') return `${path}[${part}]`;
  return /^[A-Za-z_][A-Za-z0-9_-]*$/.test(part) ? `${path}.${part}` : `${path}[${JSON.stringify(part)}]`;
}

/** A short text for a value in a message: at most 60 characters. */
export function describeValue(value: unknown): string {
  const text =
    value === undefined
      ? 'nothing'
      : Array.isArray(value)
        ? `a list of ${value.length}`
        : isObject(value)
          ? 'an object'
          : JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** A path and those of everything it leads through, itself first: `$.a[0]`, `$.a`, `$`. */
export function* pathsTo(path: string): Iterable<string> {
  yield path;
  for (let at = path.length - 1; at > 0; at--) if (path[at] === '.' || path[at] === '[') yield path.slice(0, at);
}
