export { type DecodedTable, openDecodedTable } from './decoded-table.js';
export { createParquetSink, type ParquetSinkOptions } from './parquet-sink.js';
