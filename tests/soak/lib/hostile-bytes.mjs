// What hostile callers say.
import { EMPTY_SETTINGS, h2Frame, PREFACE } from './raw-socket.mjs';

const random = (size, seed) => Buffer.from(Array.from({ length: size }, (_, index) => Math.imul(index + seed, 2654435761) >>> 24));
/** Bytes that are no request in any protocol. */
export const garbageBytes = {
  'random bytes': random(2000, 7),
  'a TLS hello': Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, ...random(200, 3)]),
  'HTTP/1.1 nonsense': Buffer.from('GET / HTTP/9.9\r\nno colon here\r\n\r\n'),
  'an endless header': Buffer.from(`GET / HTTP/1.1\r\nx: ${'a'.repeat(200_000)}`),
  'half a preface, then something else': Buffer.concat([PREFACE.subarray(0, 16), random(100, 5)]),
  'a bad preface': Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'),
  'zero bytes': Buffer.alloc(5000),
  'frames of unknown types': Buffer.concat([PREFACE, EMPTY_SETTINGS, h2Frame(200, 255, 1, random(50, 1)), h2Frame(77, 0, 0, random(9, 1))]),
  'a frame that is too large': Buffer.concat([PREFACE, EMPTY_SETTINGS, h2Frame(0, 0, 1, random(100, 2), 0xffffff)]),
  'HEADERS on stream 0': Buffer.concat([PREFACE, EMPTY_SETTINGS, h2Frame(1, 5, 0, random(20, 2))]),
  'broken header compression': Buffer.concat([PREFACE, EMPTY_SETTINGS, h2Frame(1, 5, 1, Buffer.alloc(40, 0xff))]),
  'a window of 2^31': Buffer.concat([PREFACE, EMPTY_SETTINGS, h2Frame(8, 0, 0, Buffer.from([0x7f, 255, 255, 255]))]),
};

/** Frames that cost their sender nothing; stream 1 is open where one has to be. */
export const floodFrames = {
  'PING flood': h2Frame(6, 0, 0, Buffer.alloc(8)),
  'SETTINGS flood': EMPTY_SETTINGS,
  'CONTINUATION flood': h2Frame(9, 0, 1, Buffer.concat([Buffer.from([0, 1, 97, 127, 128, 7]), Buffer.alloc(900, 98)])),
  'empty DATA flood': h2Frame(0, 0, 1),
  'WINDOW_UPDATE flood': h2Frame(8, 0, 0, Buffer.from([0, 0, 0, 1])),
  'RST_STREAM flood': h2Frame(3, 0, 1, Buffer.from([0, 0, 0, 8])),
  'PRIORITY flood': h2Frame(2, 0, 3, Buffer.from([0, 0, 0, 0, 1])),
};
