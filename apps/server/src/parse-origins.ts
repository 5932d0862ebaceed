/** Scheme, host and port of a page, as browsers send it. */
const originForm = /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*\\]+$/i;

/**
 * Origins whose pages may call, as browsers write them (lower case, without the scheme's own port), or the word `*`.
 * What no browser ever sends would never match and is a mistake.
 */
export function parseOrigins(entries: readonly string[]): { value?: readonly string[]; problem?: string } {
  const problems: string[] = [];
  const origins = entries.map((entry) => {
    if (entry === '*') return entry;
    const bare = entry.replace(/\/$/, '');
    if (originForm.test(bare) && URL.canParse(bare)) return withoutDefaultPort(bare);
    problems.push(`${JSON.stringify(entry)} ${whyNot(entry)}`);
    return entry;
  });
  if (origins.includes('*') && origins.length > 1) problems.push('"*" means every origin: leave the others out, or leave it out');
  return problems.length > 0 ? { problem: problems.join('; ') } : { value: origins };
}

function withoutDefaultPort(origin: string): string {
  const { origin: normal } = new URL(origin);
  // Schemes of apps have none that the URL class knows of.
  return normal === 'null' ? origin.toLowerCase() : normal;
}

function whyNot(entry: string): string {
  const hint = `is not an origin, such as https://shop.example or http://localhost:3000`;
  if (entry.includes('*')) return `${hint}; "*" stands alone and means every origin, there are no patterns`;
  if (!entry.includes('://') && URL.canParse(`https://${entry}`)) return `${hint}; did you mean "https://${entry.replace(/\/.*$/, '')}"?`;
  if (originForm.test(entry.replace(/(:\/\/[^/?#]*)[/?#].*$/, '$1'))) return `${hint}; an origin has no path`;
  return hint;
}
