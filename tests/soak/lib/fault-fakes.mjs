// Feature store, model server and compute service of the workload, each on a port of its own, with faults that are switched on and off.
//
// `service.fault = { kind, … , when?(call) }`: the fault applies to calls for which `when` is absent or true. Kinds: see `applyFault`.
import http2 from 'node:http2';
import net from 'node:net';
import { all, bytes, int, join, packedInts, str } from '../../../benchmarks/lib/pb.mjs';
import { CALLER, TOKEN } from './server-environment.mjs';
import { blend, brandOf, featureValue, modelScore } from './workload.mjs';

const hugeBytes = 100 * 1024 * 1024;

const fp32 = (values) => {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => buffer.writeFloatLE(value, index * 4));
  return buffer;
};
const fp64 = (values) => {
  const buffer = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => buffer.writeDoubleLE(value, index * 8));
  return buffer;
};
/** Packed integers, zero included. */
const packed = (field, values) => bytes(field, Buffer.concat(values.map((value) => varint(value))));
function varint(value) {
  const out = [];
  let rest = value;
  while (rest > 127) {
    out.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Buffer.from(out);
}

const storeValue = (entity, key, groupLabel, name) =>
  groupLabel === 'meta' ? Buffer.from(brandOf(key)) : fp32([featureValue(entity, key, name)]);

/** Answers of the feature store; `fault.kind` changes what is said, never how it is sent. */
function storeAnswer(message, fault) {
  const entity = str(message, 1);
  const groups = all(message, 2).map((part) => ({ label: str(part, 1), features: all(part, 2).map(String) }));
  const keys = all(message, 4).map((part) => all(part, 1).map(String));
  let column = 0;
  const schema = groups.map((group) =>
    bytes(3, join([bytes(1, group.label), group.features.map((name) => bytes(2, join([bytes(1, name), int(2, column++)])))])),
  );
  let rows = keys.map((key) => ({
    key,
    values: groups.flatMap((group) => group.features.map((name) => storeValue(entity, key.join('|'), group.label, name))),
  }));
  switch (fault?.kind) {
    case 'short-rows':
      rows = rows.slice(0, -1);
      break;
    case 'extra-rows':
      rows = [...rows, { key: ['nobody'], values: rows[0].values.map(() => fp32([7777])) }];
      break;
    case 'permuted':
      rows.reverse();
      break;
    case 'wrong-shape':
      rows = rows.map((row) => ({ ...row, values: row.values.slice(0, -1) }));
      break;
    case 'wrong-type':
      // A text has no width that could be wrong.
      rows = rows.map((row) => ({
        ...row,
        values: row.values.map((value) => (value.length === 4 ? Buffer.concat([value, value]) : value)),
      }));
      break;
    case 'nan':
      rows = rows.map((row) => ({ ...row, values: row.values.map((value) => (value.length === 4 ? fp32([Number.NaN]) : value)) }));
      break;
    case 'no-outputs':
      return join([bytes(1, entity)]);
    default:
  }
  return join([
    bytes(1, entity),
    all(message, 3).map((name) => bytes(2, name)),
    schema,
    rows.map((row) => bytes(4, join([row.key.map((part) => bytes(1, part)), row.values.map((value) => bytes(2, value))]))),
  ]);
}

function modelAnswer(message, fault) {
  const [input] = all(message, 5);
  const [rowCount, width] = packedInts(all(input, 3));
  const raw = all(message, 7)[0];
  let scores = Array.from({ length: rowCount }, (_, row) =>
    modelScore(Array.from({ length: width }, (_, at) => raw.readFloatLE((row * width + at) * 4))),
  );
  let shape = [rowCount, 1];
  let type = 'FP32';
  let contents;
  switch (fault?.kind) {
    case 'short-rows':
      scores = scores.slice(0, -1);
      shape = [rowCount - 1, 1];
      break;
    case 'extra-rows':
      scores = [...scores, 7777];
      shape = [rowCount + 1, 1];
      break;
    case 'permuted':
      break; // Nothing in this protocol says which row is which.
    case 'wrong-shape':
      shape = [rowCount, 3];
      break;
    case 'wrong-type':
      type = 'FP64';
      contents = fp64(scores);
      break;
    case 'nan':
      scores = scores.map(() => Number.NaN);
      break;
    case 'no-outputs':
      return join([bytes(1, str(message, 1)), bytes(2, '1')]);
    default:
  }
  contents ??= fp32(scores);
  return join([
    bytes(1, str(message, 1)),
    bytes(2, '1'),
    all(message, 6).map((output) => bytes(5, join([bytes(1, str(output, 1)), bytes(2, type), packed(3, shape)]))),
    all(message, 6).map(() => bytes(6, contents)),
  ]);
}

function computeAnswer(message, fault) {
  const [data] = all(message, 1);
  const schema = all(data, 1).map(String);
  const [a, b] = [schema.indexOf('a'), schema.indexOf('b')];
  let rows = all(data, 2).map((score) => {
    const values = all(all(score, 2)[0], 1);
    return { id: values[0], value: fp32([blend(values[a].readFloatLE(0), values[b].readFloatLE(0))]) };
  });
  switch (fault?.kind) {
    case 'short-rows':
      rows = rows.slice(0, -1);
      break;
    case 'extra-rows':
      rows = [...rows, { id: Buffer.from('nobody'), value: fp32([7777]) }];
      break;
    case 'wrong-shape':
      rows = rows.map((row) => ({ ...row, value: null }));
      break;
    case 'wrong-type':
      rows = rows.map((row) => ({ ...row, value: Buffer.concat([row.value, row.value]) }));
      break;
    case 'nan':
      rows = rows.map((row) => ({ ...row, value: fp32([Number.NaN]) }));
      break;
    case 'no-outputs':
      return Buffer.alloc(0);
    default:
  }
  return bytes(
    1,
    join([
      bytes(1, schema[0]),
      bytes(1, 'score'),
      rows.map((row) => bytes(2, bytes(2, join([bytes(1, row.id), row.value === null ? [] : bytes(1, row.value)])))),
    ]),
  );
}

/** What each service is called and how it answers. */
export const services = {
  store: {
    path: '/retrieve.FeatureService/RetrieveFeatures',
    answer: storeAnswer,
    describe: (message) => ({ name: str(message, 1) }),
    mayCall: (headers) => headers['online-feature-store-caller-id'] === CALLER && headers['online-feature-store-auth-token'] === TOKEN,
  },
  model: {
    path: '/inference.GRPCInferenceService/ModelInfer',
    answer: modelAnswer,
    describe: (message) => ({ name: str(message, 1) }),
    mayCall: (headers) => headers['predator-caller-id'] === CALLER && headers['predator-auth-token'] === TOKEN,
  },
  compute: {
    path: '/numerix.Numerix/Compute',
    answer: computeAnswer,
    describe: (message) => ({ name: str(all(message, 1)[0], 3) }),
    mayCall: () => true,
  },
};

/** One service on one port. */
export class FakeService {
  fault = null;
  calls = 0;
  open = 0;
  mostOpen = 0;
  /** Calls that the caller gave up before they were answered. */
  cancelled = 0;
  faulted = 0;
  /** Requests that are not what they should be, although they were sent to their end. */
  malformed = [];
  /** Answer time without a fault. */
  delayMs = 0;
  #sockets = new Set();

  constructor(kind) {
    this.kind = kind;
    this.service = services[kind];
  }

  async start(port = this.port ?? 0, host = '127.0.0.1') {
    this.host = host;
    this.server = net.createServer((socket) => this.#accept(socket));
    this.http2 = http2.createServer({ settings: { maxConcurrentStreams: 10_000, initialWindowSize: 1 << 22 } });
    this.http2.on('session', (session) => session.on('error', () => {}));
    this.http2.on('stream', (stream, headers) => this.#call(stream, headers));
    await new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, resolve);
    });
    this.port = this.server.address().port;
    return this;
  }

  /** Closes the port and every connection: from now on, refused. */
  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #accept(socket) {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.fault?.kind === 'garbage-socket') {
      socket.end(Buffer.from('this is not HTTP/2 at all, whatever you may think of it\r\n\r\n'.repeat(4)));
      return;
    }
    if (this.fault?.kind === 'black-hole') return;
    this.http2.emit('connection', socket);
  }

  #call(stream, headers) {
    stream.on('error', () => {});
    // Questions about a model are not what is counted and disturbed here.
    if (/GRPCInferenceService\/(?!ModelInfer$)/.test(headers[':path'])) {
      stream.resume();
      return fail(stream, 12, 'this model server infers and no more');
    }
    this.calls++;
    this.open++;
    this.mostOpen = Math.max(this.mostOpen, this.open);
    const chunks = [];
    let isAnswered = false;
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('close', () => {
      this.open--;
      if (!isAnswered) this.cancelled++;
    });
    stream.on('end', () => {
      const framed = Buffer.concat(chunks);
      // A request that was given up half-way ends like any other here.
      if (stream.aborted || stream.rstCode !== 0 || framed.length < 5) return;
      const message = framed.subarray(5);
      let call;
      try {
        if (message.length !== framed.readUInt32BE(1)) throw new Error(`${message.length} bytes, announced as ${framed.readUInt32BE(1)}`);
        call = this.service.describe(message);
      } catch (error) {
        this.malformed.push(`${error.message}: ${framed.subarray(0, 80).toString('hex')}`);
        return fail(stream, 13, 'malformed request');
      }
      const fault = this.fault !== null && (this.fault.when === undefined || this.fault.when(call)) ? this.fault : null;
      if (fault !== null) this.faulted++;
      const answer = () => {
        if (stream.destroyed) return;
        isAnswered = true;
        if (!this.service.mayCall(headers)) fail(stream, 16, 'Invalid auth token');
        else if (fault === null || !applyFault(fault, stream)) send(stream, frame(this.service.answer(message, fault)));
      };
      const delayMs = fault?.kind === 'slow' ? fault.ms : this.delayMs;
      if (delayMs > 0) setTimeout(answer, delayMs);
      else answer();
    });
  }
}

const frame = (message) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

function send(stream, framed, status = '0') {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => {
    try {
      stream.sendTrailers({ 'grpc-status': status });
    } catch {
      // The caller has left.
    }
  });
  stream.end(framed);
}

function fail(stream, code, message) {
  stream.respond(
    { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(code), 'grpc-message': encodeURIComponent(message) },
    { endStream: true },
  );
}

/** Faults of the sending; true when nothing else is to be sent. */
function applyFault(fault, stream) {
  switch (fault.kind) {
    case 'status':
      fail(stream, fault.code, 'asked for');
      return true;
    case 'wrong-auth':
      fail(stream, 16, 'Invalid auth token');
      return true;
    case 'reset': {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const head = Buffer.alloc(5 + 40);
      head.writeUInt32BE(1000, 1);
      stream.write(head);
      setTimeout(() => (fault.socket ? stream.session?.destroy() : stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)), 5);
      return true;
    }
    case 'truncated':
      // Announces more than it sends, then says that all is well.
      send(stream, Buffer.from([0, 0, 0, 4, 0, 1, 2, 3]));
      return true;
    case 'garbage':
      send(stream, frame(Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 151 + 83) & 255))));
      return true;
    case 'no-frame':
      send(stream, Buffer.from('<html>502 Bad Gateway</html>'));
      return true;
    case 'http-502':
      stream.respond({ ':status': 502, 'content-type': 'text/html' });
      stream.end('<html>bad gateway</html>');
      return true;
    case 'no-status':
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.end();
      return true;
    case 'huge': {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const head = Buffer.alloc(5);
      head.writeUInt32BE(hugeBytes, 1);
      stream.write(head);
      let left = hugeBytes;
      const chunk = Buffer.alloc(1 << 20, 7);
      const more = () => {
        while (left > 0 && !stream.destroyed) {
          left -= chunk.length;
          if (!stream.write(chunk)) {
            stream.once('drain', more);
            return;
          }
        }
        if (!stream.destroyed) stream.end();
      };
      more();
      return true;
    }
    default:
      return false;
  }
}

/**
 * All three services in this process.
 * @param run the suite's run: closes them with it
 */
export async function startFaultFakes(run) {
  const fakes = {};
  for (const kind of ['store', 'model', 'compute']) {
    fakes[kind] = await new FakeService(kind).start();
    run.defer(() => fakes[kind].stop());
  }
  return fakes;
}
