import type { ICustomPartitioner, Message } from 'kafkajs';

/** A send to exactly one partition: its messages share this object, and the first look at the topic decides. */
export interface SendTarget {
  /** −1 = not decided. */
  partition: number;
}

/** A message that says with whom it travels. */
export interface TargetedMessage extends Message {
  readonly target: SendTarget;
}

/**
 * All messages of a send go to one partition, the next one with a leader for every send. A send over several partitions would span
 * brokers, and the client then takes records for acknowledged that a broker lost with its leadership.
 */
export function createOnePartitionPartitioner(): ICustomPartitioner {
  let next = Math.floor(Math.random() * 1024);
  return () =>
    ({ partitionMetadata, message }) => {
      // The client hands the very objects through that `send` was given.
      const { target } = message as TargetedMessage;
      if (target.partition >= 0) return target.partition;
      const led = partitionMetadata.filter(({ leader }) => leader >= 0);
      const usable = led.length > 0 ? led : partitionMetadata;
      target.partition = usable[next++ % Math.max(usable.length, 1)]?.partitionId ?? 0;
      return target.partition;
    };
}
