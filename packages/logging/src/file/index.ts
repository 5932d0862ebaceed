export { createParquetSink, type ParquetSinkOptions } from './parquet-sink.js';
