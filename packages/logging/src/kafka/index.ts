export type { KafkaCompression } from './codecs.js';
export { createKafkaSink, type KafkaLog, type KafkaSasl, type KafkaSinkOptions, type KafkaTls } from './kafka-sink.js';
export { readTopic, type TopicExtent, type TopicReaderOptions, type TopicRecord } from './topic-reader.js';
