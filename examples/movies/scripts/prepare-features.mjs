// Computes the tables of the feature store that are not in data/ as they are: users, and statistics of genres, distributors and
// tastes. Same input, same bytes out.
//
//   node scripts/prepare-features.mjs

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { formatCsv, parseCsv } from './csv.mjs';

const folder = new URL('..', import.meta.url);
const read = (path) => readFileSync(new URL(path, folder), 'utf8');

/** The tables by file name. */
export function prepareFeatures() {
  const films = parseCsv(read('data/movies.csv'));
  const { user } = JSON.parse(read('data/encoding.json'));
  return { 'user.csv': users(user), 'genre.csv': genres(films), 'studio.csv': studios(films), 'taste.csv': tastes(films) };
}

/** A user for each judge and wanted genre, and one for each judge who wants nothing in particular. */
function users(flags) {
  const wanted = flags.filter((flag) => flag.startsWith('likes:')).map((flag) => flag.slice('likes:'.length));
  const slug = (text) => text.toLowerCase().replaceAll(/[^a-z]+/g, '_');
  const rows = ['critic', 'audience'].flatMap((judge) =>
    ['', ...wanted].map((genre) => {
      const id = genre === '' ? judge : `${judge}-${slug(genre).replaceAll('_', '-')}`;
      return [id, judge, genre || 'Unknown', ...flags.map((flag) => Number(flag === judge || flag === `likes:${genre}`))];
    }),
  );
  return formatCsv(['user_id', 'judge', 'wants', ...flags.map(slug)], rows);
}

function genres(films) {
  const rows = groupBy(films, (film) => film.genre).map(([genre, members]) => [
    genre,
    members.length,
    mean(members.map((film) => Number(film.imdb_rating))),
    mean(known(members, 'votes').map(Math.log1p)),
    mean(known(members, 'worldwide_gross').map(Math.log1p)),
  ]);
  return formatCsv(['genre', 'films', 'mean_rating', 'mean_log_votes', 'mean_log_gross'], rows);
}

function studios(films) {
  const rows = groupBy(films, (film) => film.distributor).map(([distributor, members]) => [
    distributor,
    members.length,
    mean(members.map((film) => Number(film.imdb_rating))),
  ]);
  return formatCsv(['distributor', 'films', 'mean_rating'], rows);
}

/** Ratings of both judges on one scale: the critics' share of favourable reviews divided by ten. */
function tastes(films) {
  const rows = groupBy(films, (film) => film.genre).flatMap(([genre, members]) => {
    const critics = known(members, 'rotten_tomatoes').map((share) => share / 10);
    const audience = known(members, 'imdb_rating');
    return [
      ['critic', genre, critics.length, mean(critics)],
      ['audience', genre, audience.length, mean(audience)],
    ].filter(([, , count]) => count > 0);
  });
  return formatCsv(['judge', 'genre', 'films', 'mean_rating'], rows);
}

function groupBy(films, keyOf) {
  const groups = new Map();
  for (const film of films) groups.set(keyOf(film), [...(groups.get(keyOf(film)) ?? []), film]);
  return [...groups].sort(([left], [right]) => (left < right ? -1 : 1));
}

function known(films, column) {
  return films.map((film) => film[column]).filter((text) => text !== '').map(Number);
}

function mean(values) {
  return Number((values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)).toFixed(4));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(prepareFeatures())) writeFileSync(new URL(`features/${name}`, folder), text);
}
