export { createStdoutSink, type LineStream, type StdoutSinkOptions } from './stdout-sink.js';
