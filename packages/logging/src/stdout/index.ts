export { createStdoutSink, type StdoutSinkOptions } from './stdout-sink.js';
