import type { Kafka } from 'kafkajs';
import { LoggingError } from '../errors.js';

/** A partition as the cluster describes it. */
export interface ClientPartition {
  readonly partitionId: number;
  /** Node; negative while there is none. */
  readonly leader: number;
}

/** A connection of the client, authenticated on demand. */
export interface ClientConnection {
  readonly clientId: string;
  readonly socket: { cork(): void; uncork(): void; write(bytes: Uint8Array): boolean };
  isConnected(): boolean;
  isAuthenticated(): boolean;
  authenticate(): Promise<void>;
  nextCorrelationId(): number;
  readonly requestQueue: {
    push(request: {
      readonly entry: {
        readonly apiKey: number;
        readonly apiName: string;
        readonly apiVersion: number;
        readonly correlationId: number;
        resolve(answer: { readonly payload: Buffer | null }): void;
        reject(error: unknown): void;
      };
      readonly expectResponse: boolean;
      readonly requestTimeout: null;
      sendRequest(): void;
    }): void;
    maybeThrottle(ms: number): void;
  };
}

/** A node of the cluster. */
export interface ClientBroker {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>> | null;
  readonly connectionPool: { getConnection(): Promise<ClientConnection> };
  initProducerId(options: object): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
  listOffsets(options: object): Promise<{
    readonly responses: readonly { readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[];
  }>;
  fetch(options: object): Promise<{ readonly responses: readonly { readonly partitions: readonly ClientFetched[] }[] }>;
}

/** What a fetch brought of a partition. */
export interface ClientFetched {
  readonly partition: number;
  readonly messages: readonly {
    readonly offset: string;
    readonly timestamp: string;
    readonly value: Buffer | null;
    readonly isControlRecord?: boolean;
  }[];
}

/** The client's view of a cluster: connections, TLS, SASL and metadata. */
export interface ClientCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  readonly brokerPool: {
    readonly metadata: {
      readonly topicMetadata: readonly { readonly topic: string; readonly partitionMetadata: readonly ClientPartition[] }[];
    } | null;
    refreshMetadata(topics: readonly string[]): Promise<void>;
    findBroker(options: { readonly nodeId: number }): Promise<ClientBroker>;
    findConnectedBroker(): Promise<ClientBroker>;
  };
}

/**
 * A cluster of the client, without its producer and consumer: the one copies every record several times, which costs more than scoring
 * does, the other wants a group.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING for a version of the client that is built otherwise
 */
export function clusterOf(kafka: Kafka, allowAutoTopicCreation = true): ClientCluster {
  const name = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster');
  const create = name === undefined ? undefined : (kafka as unknown as Record<symbol, unknown>)[name];
  if (typeof create !== 'function') {
    throw new LoggingError(
      'INFERFLOW_LOGGING_DEPENDENCY_MISSING',
      'the Kafka sink needs kafkajs 2.2; this version of it is built otherwise',
    );
  }
  return create({ metadataMaxAge: 60_000, allowAutoTopicCreation, maxInFlightRequests: null }) as ClientCluster;
}
