// Computes golden.json, what the service has to answer to requests/*.json, without any of it: the models run directly in
// onnxruntime-node over the columns of data/, the rest is plain arithmetic. Also writes each request as Connect-JSON, for curl.
//
//   node scripts/make-golden.mjs

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { parseCsv } from './csv.mjs';

const folder = new URL('..', import.meta.url);
const read = (path) => readFileSync(new URL(path, folder), 'utf8');
const table = (path, ...keys) => new Map(parseCsv(read(path)).map((row) => [keys.map((key) => row[key]).join('\0'), row]));

/** Largest difference of a score that is accepted, absolute: all of them come from sums of float32. */
const TOLERANCE = 1e-4;

const encoding = JSON.parse(read('data/encoding.json'));
const features = table('data/features.csv', 'id');
const films = table('data/movies.csv', 'id');
const users = table('features/user.csv', 'user_id');
const genres = table('features/genre.csv', 'genre');
const studios = table('features/studio.csv', 'distributor');
const tastes = table('features/taste.csv', 'judge', 'genre');
const round = Math.fround;

async function run(model, feeds) {
  const session = await ort.InferenceSession.create(fileURLToPath(new URL(`onnx/${model}.onnx`, folder)));
  const tensors = Object.entries(feeds).map(([name, rows]) => [name, new ort.Tensor('float32', Float32Array.from(rows.flat()), [rows.length, rows[0].length])]);
  const [output] = Object.values(await session.run(Object.fromEntries(tensors)));
  return [...output.data];
}

/** Scores of films for users, one of each per row. */
async function scoreRows(filmIds, userIds) {
  const items = filmIds.map((id) => encoding.item.map((name) => Number(features.get(id)[name])));
  const flags = userIds.map((id) => Object.values(users.get(id)).slice(3).map(Number));
  return { rating: await run('movie_rating', { features: items }), ranker: await run('movie_ranker', { user: flags, item: items }) };
}

function normMinMax(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => (high === low ? 1 : round(round(value - low) / round(high - low))));
}

async function rank(filmIds, userIds) {
  const { rating, ranker } = await scoreRows(filmIds, userIds);
  const liked = normMinMax(ranker);
  return filmIds.map((id, row) => {
    const { title, genre, distributor, year } = films.get(id);
    const genreRating = Number(genres.get(genre).mean_rating);
    const studioRating = Number(studios.get(distributor).mean_rating);
    const taste = Number(tastes.get(`${users.get(userIds[row]).judge}\0${genre}`)?.mean_rating ?? 5.5);
    const final = 0.5 * liked[row] + (0.25 * rating[row]) / 10 + (0.1 * taste) / 10 + (0.1 * studioRating) / 10 + (rating[row] > round(genreRating) ? 0.05 : 0);
    return {
      film_id: id,
      'film:labels:title': title,
      'film:labels:genre': genre,
      'film:release:year': Number(year),
      'genre:statistics:mean_rating': genreRating,
      'studio:statistics:mean_rating': studioRating,
      'taste:statistics:mean_rating': taste,
      'rating:rating': rating[row],
      'ranker:score': ranker[row],
      'blend:final_score': round(final),
    };
  });
}

async function plan(filmIds, userId, slates) {
  const { rating, ranker } = await scoreRows(filmIds, filmIds.map(() => userId));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    targets: filmIds.map((id, row) => ({ film_id: id, 'film:labels:title': films.get(id).title, 'rating:rating': rating[row], 'ranker:score': ranker[row] })),
    slates: slates.map((members) => {
      const codes = members.map((row) => features.get(filmIds[row]).genre);
      const shared = mean(codes.flatMap((left) => codes.map((right) => Number(left === right))));
      return {
        'appeal:score': round(0.5 * mean(members.map((row) => sigmoid(ranker[row]))) + 0.03 * mean(members.map((row) => rating[row])) + 0.2 * (1 - shared)),
        'lead:score': normMinMax(members.map((row) => ranker[row]))[0],
      };
    }),
  };
}

/** The answers to one request in the form of the client SDK. */
async function answer(request) {
  if (request.entities !== undefined) {
    const ids = Object.fromEntries(request.entities.map(({ entity, ids: values }) => [entity, values]));
    return { rpc: 'RetrieveModelScore', targets: await rank(ids.film_id, ids.user_id) };
  }
  const filmIds = request.targets.map((target) => target.id);
  const user = request.context.user_id;
  if (request.pairs !== undefined) {
    const { targets, slates } = await plan(filmIds, user, request.pairs.map(({ first, second }) => [first, second]));
    return { rpc: 'InferPairWise', targets, pairs: slates };
  }
  if (request.slates !== undefined) {
    return { rpc: 'InferSlateWise', ...(await plan(filmIds, user, request.slates.map((slate) => slate.targetIndices))) };
  }
  return { rpc: 'InferPointWise', targets: await rank(filmIds, filmIds.map(() => user)) };
}

/** The same request in the JSON form of its protobuf message. */
export function toConnectJson({ modelConfigId, trackingId, entities, context, targets, pairs, slates }) {
  if (entities !== undefined) return { entities, modelConfigId, trackingId };
  return {
    modelConfigId,
    trackingId,
    contextFeatures: Object.entries(context).map(([name, text]) => ({ name, value: Buffer.from(text).toString('base64'), dataType: 'DataTypeString' })),
    targets,
    ...(pairs === undefined ? {} : { pairs: pairs.map(({ first, second }) => ({ firstTargetIndex: first, secondTargetIndex: second })) }),
    ...(slates === undefined ? {} : { slates }),
  };
}

/** Names of the requests, without their endings. */
export function requestNames() {
  return readdirSync(new URL('requests/', folder))
    .filter((name) => name.endsWith('.json') && !name.endsWith('.connect.json'))
    .map((name) => name.slice(0, -'.json'.length));
}

export async function makeGolden() {
  const cases = [];
  for (const name of requestNames()) {
    const request = JSON.parse(read(`requests/${name}.json`));
    cases.push({ request: `requests/${name}.json`, modelConfigId: request.modelConfigId, ...(await answer(request)) });
  }
  return { tolerance: TOLERANCE, cases };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const write = (path, content) => writeFileSync(new URL(path, folder), `${JSON.stringify(content, null, 2)}\n`);
  write('golden.json', await makeGolden());
  for (const name of requestNames()) write(`requests/${name}.connect.json`, toConnectJson(JSON.parse(read(`requests/${name}.json`))));
}
