// What the feature cache costs, and that its size does not grow the collector's work: node --expose-gc packages/components/bench/feature-cache.mjs (after a build).
import { CacheFind, createFeatureCache } from '@inferflow/components';

const rowBytes = 160;
const key = new Uint8Array(16);
const keyView = new DataView(key.buffer);
const row = new Uint8Array(rowBytes).fill(7);

/** Murmur's last step is enough to spread counters. */
function setKey(number) {
  keyView.setUint32(0, number, true);
  let hash = Math.imul(number, 0x9e3779b1);
  hash ^= hash >>> 16;
  return Math.imul(hash, 0x85ebca6b) >>> 0;
}

function fill(entries) {
  const cache = createFeatureCache({ maxBytes: Math.ceil(entries * 300) + 64 * 1024 * 1024 });
  const source = cache.source('bench', 1e9, 0);
  for (let entry = 0; entry < entries; entry++) {
    cache.put(source, setKey(entry), key, 0, 16, rowBytes);
    cache.putBytes.set(row, cache.putAt);
  }
  return cache;
}

function fillMap(entries) {
  const cache = new Map();
  for (let entry = 0; entry < entries; entry++) cache.set(`item:${entry}`, { until: performance.now() + 1e9, row: row.slice() });
  return cache;
}

/** Median of full collections, the worst case that a growing heap leads to. */
function collect() {
  globalThis.gc();
  const times = [];
  for (let round = 0; round < 9; round++) {
    const start = performance.now();
    globalThis.gc();
    times.push(performance.now() - start);
  }
  return times.sort((left, right) => left - right)[4];
}

if (globalThis.gc === undefined) throw new Error('run with node --expose-gc');
console.log('entries      off heap: GC ms   MiB       Map of objects: GC ms   heap MiB');
for (const entries of [0, 10_000, 100_000, 500_000, 1_000_000]) {
  const cache = fill(entries);
  const ours = collect();
  const bytes = cache.stats().bytes;
  let heap = 0;
  let theirs = Number.NaN;
  if (entries <= 500_000) {
    cache.clear();
    const map = fillMap(entries);
    theirs = collect();
    heap = process.memoryUsage().heapUsed;
    map.clear();
  }
  const mebi = (value) => (value / 1024 / 1024).toFixed(0);
  console.log(
    `${String(entries).padStart(9)} ${ours.toFixed(2).padStart(16)} ${mebi(bytes).padStart(8)} ${theirs.toFixed(2).padStart(20)} ${mebi(heap).padStart(12)}`,
  );
}

const entries = 200_000;
const cache = fill(entries);
const source = cache.source('bench', 1e9, 0);
let found = 0;
for (const round of [1, 2, 3]) {
  const start = performance.now();
  for (let entry = 0; entry < entries; entry++)
    if (cache.find(source, setKey((entry * 7919) % entries), key, 0, 16) === CacheFind.fresh) found++;
  if (round === 3) console.log(`find: ${(((performance.now() - start) * 1e6) / entries).toFixed(0)} ns (hits in random order)`);
}
const start = performance.now();
for (let entry = 0; entry < entries; entry++) {
  cache.put(source, setKey(entry), key, 0, 16, rowBytes);
  cache.putBytes.set(row, cache.putAt);
}
console.log(`put:  ${(((performance.now() - start) * 1e6) / entries).toFixed(0)} ns (replacing), ${found} hits in all`);
