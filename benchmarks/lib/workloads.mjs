// The workloads: request bytes, model config (deployed schema), and what the right answer is.
import { bytes, int, join, all, str, fields } from './pb.mjs';

export const id = (p, i) => p + ':' + String(1000000 + i * 7919 % 999983).padStart(8, '0');
const range = (n, f) => Array.from({ length: n }, (_, i) => f(i));
const scalars = (n, from = 0) => range(n, i => 'feature_name_' + (from + i));
const group = (label, features, data_type = 'DataTypeFP32') => ({ label, data_type, features });
const split = (names, n) => range(n, g => group('group_' + g, names.filter((_, i) => i % n === g)));
const comp = (label, col, featureGroups) => ({ label, col, featureGroups });
// the prototypes' shape : widths 4,4,8,4,16,4,4,32,4,64 bytes, here as FP32 vectors named vN_*; one data type per group
const mixed = () => { const w = range(40, i => [1, 1, 2, 1, 4, 1, 1, 8, 1, 16][i % 10]); const s = [], v = []; w.forEach((d, i) => (d === 1 ? s.push('feature_name_' + i) : v.push(`v${d}_feature_name_${i}`))); return [group('group_0', s.slice(0, 12)), group('group_1', s.slice(12)), group('group_2', v.slice(0, 8), 'DataTypeFP32Vector'), group('group_3', v.slice(8), 'DataTypeFP32Vector')]; };

const one = (targets, groups, extra = {}) => ({ targets, comps: [comp('catalog', 'catalog_id', groups)], models: [{ name: 'p1', model: 'ranker', from: ['catalog'], score: 'score' }], numerix: null, response: ['catalog_id', 'score'], ...extra });
export const WORKLOADS = {
  W1: one(100, [group('group_0', scalars(40))]),
  W1g4: one(100, split(scalars(40), 4)),
  W1v: one(100, mixed()),
  W2: one(500, [group('group_0', scalars(40))]),
  W3: {
    targets: 100,
    comps: [comp('catalog', 'catalog_id', [group('group_0', scalars(40))]), comp('user', 'user_id', [group('group_0', scalars(30))]), comp('seller', 'seller_id', [group('group_0', scalars(30))]), comp('category', 'category_id', [group('group_0', scalars(20))])],
    models: [{ name: 'p1', model: 'ranker', from: ['catalog', 'user', 'seller', 'category'], score: 'score' }, { name: 'p2', model: 'ranker2', from: ['catalog', 'user'], score: 'score2' }],
    numerix: { name: 'i1', score: 'final', compute: 'mul', vars: { a: 'score', b: 'score2' } }, response: ['catalog_id', 'score', 'score2', 'final'],
  },
  W4: one(100, [group('group_0', scalars(40))], { cache: true }),
  W5: one(1, [group('group_0', scalars(5))]),
  W6: one(100, [group('group_0', scalars(40))], { logging: true }),
};
for (const [k, w] of Object.entries(WORKLOADS)) { w.name = k; w.modelId = 'bench-' + k.toLowerCase(); w.app = 'bench' + k.toLowerCase(); }

// ---- key columns of a row
const NSELLER = 40, NCAT = 12;
// `seed` gives a request of the same shape with other keys.
export const targetIds = (w, seed = 0) => range(w.targets, i => id('catalog', seed * w.targets + i));
export function keyOf(w, col, i, seed = 0) { return col === 'catalog_id' ? id('catalog', seed * w.targets + i) : col === 'user_id' ? id('user', 7 + seed) : col === 'seller_id' ? id('seller', seed * NSELLER + i % NSELLER) : id('category', seed * NCAT + i % NCAT); }

// ---- feature values: a hash of entity, key, group, feature, element: exact in FP32, in [-1, 1)
function hash(s) { let h = 0x811c9dc5; for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193); h ^= h >>> 16; h = Math.imul(h, 0x85ebca6b); h ^= h >>> 13; h = Math.imul(h, 0xc2b2ae35); return (h ^ h >>> 16) >>> 0; }
export const dims = feature => { const m = /^v(\d+)_/.exec(feature); return m ? +m[1] : 1; };
export function values(entity, key, grp, feature) { const n = dims(feature), f = new Float32Array(n); for (let k = 0; k < n; k++) f[k] = (hash(`${entity}|${key}|${grp}:${feature}|${k}`) >>> 8) / 8388608 - 1; return f; }
// ---- the model: weights by position, so that a misplaced or missing value changes the score
export function scoreRow(x) { let s = 0; for (let j = 0; j < x.length; j++) s += x[j] * (j % 7 + 1); return Math.fround(s / x.length); }
export function expected(w, seed = 0) { // [{score, score2, final}] per row
  const cache = new Map(), vec = (c, i) => { const key = keyOf(w, c.col, i, seed), k = c.label + key; let v = cache.get(k); if (!v) cache.set(k, v = c.featureGroups.flatMap(g => g.features.flatMap(f => [...values(c.label, key, g.label, f)]))); return v; };
  return range(w.targets, i => { const r = {}; for (const m of w.models) r[m.score] = scoreRow(Float32Array.from(m.from.flatMap(l => vec(w.comps.find(c => c.label === l), i)))); if (w.numerix) r[w.numerix.score] = Math.fround(Object.values(w.numerix.vars).reduce((a, b) => a * r[b], 1)); return r; });
}

// ---- model configuration (deployed schema, JSON as etcd holds it)
const cols = c => c.featureGroups.flatMap(g => g.features.map(f => `${c.label}:${g.label}:${f}`));
export const width = (w, m) => m.from.reduce((n, l) => n + w.comps.find(c => c.label === l).featureGroups.reduce((a, g) => a + g.features.reduce((b, f) => b + dims(f), 0), 0), 0);
export function modelConfig(w, { batch = 500, deadline = 5000 } = {}) {
  const dep = {}; for (const c of w.comps) dep[c.label] = ['feature_initializer']; for (const m of w.models) dep[m.name] = m.from; if (w.numerix) dep[w.numerix.name] = w.models.map(m => m.name);
  return {
    dag_execution_config: { component_dependency: dep },
    component_config: {
      cache_enabled: !!w.cache, cache_version: 1, cache_ttl: 3600, error_logging_percent: 10,
      feature_components: w.comps.map(c => ({ component: c.label, component_id: c.col, fs_keys: [{ schema: c.col, col: c.col }], fs_request: { label: c.label, featureGroups: c.featureGroups }, fs_flatten_resp_keys: [c.col], comp_cache_enabled: !!w.cache, comp_cache_ttl: 3600 })),
      predator_components: w.models.map(m => ({ component: m.name, component_id: 'catalog_id', model_name: m.model, model_end_point: '127.0.0.1', deadline, batch_size: batch, inputs: [{ name: 'x', features: m.from.flatMap(l => cols(w.comps.find(c => c.label === l))), shape: [width(w, m)], data_type: 'FP32' }], outputs: [{ name: 'y', model_scores: [m.score], model_scores_dims: [[1]], data_type: 'FP32' }] })),
      numerix_components: w.numerix ? [{ component: w.numerix.name, component_id: 'catalog_id', score_col: w.numerix.score, data_type: 'DataTypeFP32', compute_id: w.numerix.compute, score_mapping: Object.fromEntries(Object.entries(w.numerix.vars).map(([k, v]) => [k + '@DataTypeFP32', v])) }] : [],
    },
    response_config: { features: w.response, model_schema_features_perc: 0, logging_perc: w.logging ? 100 : 0, log_features: false, log_batch_size: 500 },
  };
}

// ---- requests and answers
const DT_STRING = 14;
export const PATHS = { predict: '/Predict/InferPointWise', rms: '/Inferflow/RetrieveModelScore' };
export function request(w, api, seed = 0) {
  const ids = targetIds(w, seed), extra = w.comps.map(c => c.col).filter(c => c !== 'catalog_id');
  if (api === 'rms') return join([
    bytes(1, join([bytes(1, 'catalog_id'), ids.map(x => bytes(2, x))])), extra.map(col => bytes(1, join([bytes(1, col), (col === 'user_id' ? [keyOf(w, col, 0, seed)] : range(w.targets, i => keyOf(w, col, i, seed))).map(x => bytes(2, x))]))),
    bytes(2, w.modelId), bytes(3, 'trk-0001')]);
  const per = extra.filter(c => c !== 'user_id');
  return join([bytes(1, w.modelId), bytes(2, 'trk-0001'), extra.includes('user_id') ? bytes(3, join([bytes(1, 'user_id'), bytes(2, keyOf(w, 'user_id', 0, seed)), int(3, DT_STRING)])) : [],
    per.map(c => bytes(4, join([bytes(1, c), int(2, DT_STRING)]))), ids.map((x, i) => bytes(5, join([bytes(1, x), per.map(c => bytes(2, keyOf(w, c, i, seed)))])))]);
}
// throws unless every row of the answer has the right id and bit-exact scores
export function check(w, api, m, exp = expected(w), seed = 0) {
  const bad = (i, what) => { throw new Error(`wrong answer, row ${i}: ${what}`); };
  if (api === 'rms') {
    const rows = all(m, 1).map(r => all(r, 1).map(b => b.toString())); if (rows.length !== w.targets + 1) bad(-1, rows.length + ' rows');
    if (rows[0].join() !== w.response.join()) bad(0, rows[0]);
    rows.slice(1).forEach((r, i) => { if (r[0] !== id('catalog', seed * w.targets + i)) bad(i, r[0]); w.response.slice(1).forEach((c, k) => { if (r[k + 1] === '' || Math.fround(Number(r[k + 1])) !== exp[i][c]) bad(i, `${c} ${r[k + 1]} != ${exp[i][c]}`); }); });
    return;
  }
  const schema = all(m, 1).map(b => str(b, 1)), rows = all(m, 2); if (rows.length !== w.targets) bad(-1, rows.length + ' rows'); if (schema.join() !== w.response.join()) bad(-1, 'schema ' + schema);
  if (all(m, 3).some(b => b.length)) bad(-1, 'request_error ' + str(m, 3));
  rows.forEach((r, i) => { const o = all(r, 2); if (o.length !== w.response.length) bad(i, o.length + ' values'); if (o[0].toString() !== id('catalog', seed * w.targets + i)) bad(i, 'id ' + o[0]); w.response.slice(1).forEach((c, k) => { const b = o[k + 1]; if (b.length !== 4 || b.readFloatLE(0) !== exp[i][c]) bad(i, `${c} ${b.length === 4 ? b.readFloatLE(0) : b.toString('hex')} != ${exp[i][c]}`); }); });
}
// whether a row of a predict answer says that something of it failed
export const hasRowErrors = (m) => all(m, 2).some((row) => all(row, 1).some((text) => text.length > 0));
// calls to the fakes that one request must make, with the feature-store batch size of the server
export function calls(w, fsBatch) { const uniq = c => new Set(range(w.targets, i => keyOf(w, c.col, i))).size; return { onfs: w.cache ? 0 : w.comps.reduce((n, c) => n + Math.ceil(uniq(c) / fsBatch), 0), model: w.models.length, numerix: w.numerix ? 1 : 0 }; }
