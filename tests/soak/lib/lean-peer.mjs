// node lean-peer.mjs <host> <port> <seed>: a gRPC server that echoes messages, and misbehaves now and then.
import http2 from 'node:http2';

const [host, port, seed] = process.argv.slice(2);
let state = Number(seed);
const next = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 0) / 2 ** 32;
};
const head = { ':status': 200, 'content-type': 'application/grpc' };

const server = http2.createServer({ settings: { maxConcurrentStreams: 100, initialWindowSize: 20_000 } });
server.on('session', (session) => session.on('error', () => {}));
server.on('stream', (stream) => {
  const parts = [];
  stream.on('error', () => {});
  stream.on('data', (chunk) => parts.push(chunk));
  stream.on('end', () => {
    const message = Buffer.concat(parts);
    const dice = next();
    // Node must not be told to reset a stream from inside one of its events.
    if (dice < 0.005) setImmediate(() => stream.close(http2.constants.NGHTTP2_REFUSED_STREAM));
    else if (dice < 0.01) setImmediate(() => stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR));
    else if (dice < 0.015) {
      if (!stream.destroyed) stream.respond({ ...head, 'grpc-status': '14', 'grpc-message': 'busy' }, { endStream: true });
    } else if (dice < 0.0155) setImmediate(() => stream.session?.close());
    else if (dice < 0.016) setImmediate(() => stream.session?.settings({ initialWindowSize: 1000 + Math.floor(next() * 60_000) }));
    else if (dice < 0.018) return;
    else if (dice < 0.3) setTimeout(answer, next() * 8, stream, message);
    else answer(stream, message);
  });
});

function answer(stream, message) {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ...head, 'x-turn': String(Math.floor(next() * 1000)) }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  if (message.length > 5 && next() < 0.05) {
    const cut = 1 + Math.floor(next() * (message.length - 1));
    stream.write(message.subarray(0, cut));
    setTimeout(() => stream.end(message.subarray(cut)), 1);
  } else stream.end(message);
}

process.on('disconnect', () => process.exit(0));
server.listen(Number(port), host, () => process.send('up'));
