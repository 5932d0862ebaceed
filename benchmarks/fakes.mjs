// node fakes.mjs [featureStoreMs] [modelMs]   (child of bench.mjs; needs an IPC channel)
// Feature store, model server, expression engine, StatsD sink and a Kafka that swallows, in one process.
// A request seen before (compared byte by byte) gets the prepared answer; a new one is decoded and answered by lib/workloads.mjs.
import net from 'node:net'; import dgram from 'node:dgram';
import { createServer } from './lib/h2net.mjs';
import { all, str, bytes, int, join, fields, packedInts } from './lib/pb.mjs';
import { values, scoreRow } from './lib/workloads.mjs';

const fsMs = +(process.argv[2] ?? 0), modelMs = +(process.argv[3] ?? 0);
let marked = false; // after 'mark' an unknown model input counts as odd, each time it comes
const stats = { odd: 0, onfs: 0, model: 0, numerix: 0, newOnfs: 0, newModel: 0, newNumerix: 0, udp: 0, udpBytes: 0, kafkaProduce: 0, kafkaRecords: 0, kafkaBytes: 0, badPath: 0 };

function onfs(m) {
  const entity = str(m, 1), groups = all(m, 2).map(g => ({ label: str(g, 1), features: all(g, 2).map(String) })), schema = all(m, 3).map(String), keys = all(m, 4).map(k => all(k, 1).map(String));
  let idx = 0;
  return join([bytes(1, entity), schema.map(s => bytes(2, s)),
    groups.map(g => bytes(3, join([bytes(1, g.label), g.features.map(f => bytes(2, join([bytes(1, f), int(2, idx++)])))]))),
    keys.map(k => bytes(4, join([k.map(c => bytes(1, c)), groups.flatMap(g => g.features.map(f => { const v = values(entity, k.join('|'), g.label, f); return bytes(2, Buffer.from(v.buffer, v.byteOffset, v.byteLength)); }))])))]);
}
function model(m) {
  const inputs = all(m, 5).map(t => ({ name: str(t, 1), type: str(t, 2), shape: packedInts(all(t, 3)) })), raw = all(m, 7), outs = all(m, 6).map(o => str(o, 1)), n = inputs[0].shape[0], w = inputs[0].shape[1];
  if (raw[0].length !== n * w * 4) throw new Error(`tensor of ${raw[0].length} bytes for shape ${inputs[0].shape}`);
  const x = new Float32Array(raw[0].buffer.slice(raw[0].byteOffset, raw[0].byteOffset + raw[0].length)), y = new Float32Array(n);
  for (let i = 0; i < n; i++) y[i] = scoreRow(x.subarray(i * w, i * w + w));
  return join([bytes(1, str(m, 1)), bytes(2, '1'), outs.map(o => bytes(5, join([bytes(1, o), bytes(2, 'FP32'), bytes(3, join([int0(n), int0(1)]))]))), outs.map(() => bytes(6, Buffer.from(y.buffer)))]);
}
const int0 = v => { const o = []; while (v > 127) { o.push(v & 127 | 128); v >>>= 7; } o.push(v); return Buffer.from(o); };
function numerix(m) { // the product of all variables, FP32
  const d = all(m, 1)[0], schema = all(d, 1).map(String), rows = all(d, 2).map(s => all(all(s, 2)[0], 1));
  const out = rows.map(v => { const b = Buffer.alloc(4); b.writeFloatLE(Math.fround(v.slice(1).reduce((a, x) => a * x.readFloatLE(0), 1))); return bytes(2, bytes(2, join([bytes(1, v[0]), bytes(1, b)]))); });
  return bytes(1, join([bytes(1, schema[0]), bytes(1, 'score'), out]));
}
const SERVICES = { '/retrieve.FeatureService/RetrieveFeatures': ['onfs', 'newOnfs', onfs, fsMs], '/inference.GRPCInferenceService/ModelInfer': ['model', 'newModel', model, modelMs], '/numerix.Numerix/Compute': ['numerix', 'newNumerix', numerix, modelMs] };
// Requests seen are found by their length and some of their bytes, then compared whole.
const signOf = m => { let h = m.length; for (let i = 0, step = Math.max(1, m.length >> 6); i < m.length; i += step) h = Math.imul(h ^ m[i], 0x01000193); return h; };
const seen = new Map();
const handler = (path, [count, fresh, make, ms]) => {
  const known = new Map(); seen.set(path, known);
  return st => {
    const m = st.msg, sign = signOf(m); stats[count]++; let a = known.get(sign), res = null;
    if (a !== undefined) for (let i = 0; i < a.length; i++) if (a[i].m.compare(m) === 0) { res = a[i].res; if (a[i].odd) stats.odd++; break; }
    if (res === null) {
      stats[fresh]++;
      try { res = make(m); } catch (e) { console.error('fake', path, e.message); return st.fail(3, e.message); }
      if (a === undefined) known.set(sign, a = []); const odd = marked && count === 'model'; if (odd) stats.odd++; if (a.length < 32) a.push({ m: Buffer.from(m), res, odd });
    }
    if (ms > 0) setTimeout(() => st.respond(res), ms); else st.respond(res);
  };
};
const h = Object.fromEntries(Object.entries(SERVICES).map(([p, s]) => [p, handler(p, s)]));
const server = expected => createServer(st => { const f = h[st.header(':path')]; if (f === undefined) { stats.badPath++; return st.fail(12, 'unknown ' + st.header(':path')); } f(st); });

// ---- Kafka: ApiVersions, Metadata, InitProducerId, Produce (with acks 0: no answer)
const i16 = v => { const b = Buffer.alloc(2); b.writeInt16BE(v); return b; }, i32 = v => { const b = Buffer.alloc(4); b.writeInt32BE(v); return b; }, i64 = v => { const b = Buffer.alloc(8); b.writeBigInt64BE(BigInt(v)); return b; }, s16 = x => Buffer.concat([i16(x.length), Buffer.from(x)]);
const apis = [[0, 3, 7], [3, 1, 1], [18, 0, 0], [22, 0, 0]];
function kafka(sock, self) {
  let parts = [], held = 0, wanted = 4; sock.on('error', () => {});
  const reply = (corr, b) => sock.write(Buffer.concat([i32(b.length + 4), i32(corr), b]));
  const take = f => {
    const key = f.readInt16BE(0), ver = f.readInt16BE(2), corr = f.readInt32BE(4); let p = 10 + Math.max(0, f.readInt16BE(8));
    // A newer version than we have is told in the oldest layout, as brokers do.
    if (key === 18) reply(corr, Buffer.concat([i16(ver === 0 ? 0 : 35), i32(apis.length), ...apis.flatMap(a => a.map(i16))]));
    else if (key === 22) reply(corr, Buffer.concat([i32(0), i16(0), i64(1), i16(0)]));
    else if (key === 3) {
      const cnt = f.readInt32BE(p); p += 4; const topics = []; for (let i = 0; i < cnt; i++) { const l = f.readInt16BE(p); topics.push(f.toString('latin1', p + 2, p + 2 + l)); p += 2 + l; }
      if (!topics.length) topics.push('inferflow_inference_logs');
      reply(corr, Buffer.concat([i32(1), i32(1), s16('127.0.0.1'), i32(self()), i16(-1), i32(1), i32(topics.length), ...topics.flatMap(t => [i16(0), s16(t), Buffer.from([0]), i32(1), i16(0), i32(0), i32(1), i32(1), i32(1), i32(1), i32(1)])]));
    } else if (key === 0) { // v3+: transactional_id, acks, timeout, topics[name, partitions[index, records]]
      stats.kafkaProduce++; stats.kafkaBytes += f.length; p += 2 + Math.max(0, f.readInt16BE(p)); const acks = f.readInt16BE(p); p += 2 + 4; const nt = f.readInt32BE(p); p += 4;
      const answer = [i32(nt)];
      for (let t = 0; t < nt; t++) {
        const l = f.readInt16BE(p); answer.push(s16(f.toString('latin1', p + 2, p + 2 + l))); p += 2 + l; const np = f.readInt32BE(p); p += 4; answer.push(i32(np));
        for (let q = 0; q < np; q++) { const len = f.readInt32BE(p + 4); answer.push(i32(f.readInt32BE(p)), i16(0), i64(0), i64(-1), ...(ver >= 5 ? [i64(0)] : [])); p += 8; if (len > 61) stats.kafkaRecords += f.readInt32BE(p + 57); p += len; }
      }
      if (acks !== 0) reply(corr, Buffer.concat([...answer, i32(0)]));
    } else sock.destroy();
  };
  sock.on('data', d => {
    parts.push(d); held += d.length;
    while (held >= wanted) {
      const buf = parts.length === 1 ? parts[0] : Buffer.concat(parts); parts = [buf];
      const n = 4 + buf.readInt32BE(0); wanted = n; if (held < n) return;
      take(buf.subarray(4, n)); parts = held > n ? [buf.subarray(n)] : []; held -= n; wanted = 4;
    }
  });
}
const listen = s => new Promise(r => s.listen(0, '127.0.0.1', () => r(s.address().port)));
const udp = dgram.createSocket('udp4'); udp.on('message', m => { stats.udp++; stats.udpBytes += m.length; });
const bind = port => new Promise((r, j) => { udp.once('error', j); udp.bind(port, '127.0.0.1', () => r(udp.address().port)); });
let udpPort; try { udpPort = await bind(8125); } catch { udpPort = await new Promise(r => { udp.removeAllListeners('error'); udp.bind(0, '127.0.0.1', () => r(udp.address().port)); }); }
const ks = net.createServer(c => kafka(c, () => ks.address().port));
const ports = { onfs: await listen(server()), model: await listen(server()), numerix: await listen(server()), kafka: await listen(ks), udp: udpPort };
process.on('message', m => { if (m === 'mark') marked = true; else if (m === 'stats') process.send({ stats: { ...stats } }); else if (m === 'exit') process.exit(0); });
process.on('disconnect', () => process.exit(0));
process.send({ ports });
