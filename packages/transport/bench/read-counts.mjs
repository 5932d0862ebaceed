// The command line of a bench: whole numbers in a fixed order, each of which may be left out from the end.

/**
 * The counts given, with the standard ones for what was left out. Anything else ends the process with a sentence and code 2.
 * @param counts { name, standard, least = 1, most }
 */
export function readCounts(file, counts) {
  // A reader that has gone (`| head -5`) ends the bench.
  process.stdout.once('error', () => process.exit(1));
  const given = process.argv.slice(2);
  const fail = (text) => {
    console.error(`${file}: ${text}\nusage: node packages/transport/bench/${file} ${counts.map(({ name }) => `[${name}]`).join(' ')}`);
    process.exit(2);
  };
  if (given.length > counts.length) fail(`it takes ${counts.length} numbers, not ${given.length}`);
  return counts.map(({ name, standard, least = 1, most = 1e9 }, at) => {
    const text = given[at];
    if (text === undefined) return standard;
    const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(count >= least && count <= most)) fail(`${name} is a whole number from ${least} to ${most}, not "${text}"`);
    return count;
  });
}
