import { fromJson, type JsonValue, type Message } from '@bufbuild/protobuf';
import type { Interceptor } from '@connectrpc/connect';
import {
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  type PointWiseRequest as PointWiseMessage,
  PointWiseRequestSchema,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import type { AnyRequest } from './infer-request.js';

/** A request as the protocol has it, and what the typed client has to know of it: ids and positions. */
export interface WireRequest {
  readonly request: AnyRequest;
  readonly message: Message;
}

const ofRequest = /^(model_config_id|tracking_id|tenant_id|context_?features|(target|pair|slate)_?input_?schema|options)$/i;
const ofRow = /^(feature_?values|(first|second)_?target_?index|target_indices)$/i;

/** Whether JSON is a message of the protocol (as for curl) rather than a request of the typed client. Both may be: then it is the latter. */
export function isWireJson(json: Readonly<Record<string, unknown>>): boolean {
  const rows = [json['targets'], json['pairs'], json['slates']].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []));
  const entities = Array.isArray(json['entities']) ? (json['entities'] as { readonly features?: unknown }[]) : [];
  return (
    Object.keys(json).some((name) => ofRequest.test(name) && name !== 'modelConfigId' && name !== 'trackingId' && name !== 'tenantId') ||
    rows.some((row) => typeof row === 'object' && row !== null && Object.keys(row).some((name) => ofRow.test(name))) ||
    entities.some((entity) => Array.isArray(entity?.features))
  );
}

/** Reads a message; what is in it is sent as it is. @throws Error saying what is no such message */
export function readWireRequest(json: Readonly<Record<string, unknown>>): WireRequest {
  try {
    return toWireRequest(json as JsonValue);
  } catch (error) {
    throw new Error(`the request is no message of the protocol: ${(error as Error).message}`);
  }
}

/** Sends the message in place of the one that the client made of its ids. */
export function sendInstead(message: Message): Interceptor {
  return (next) => (call) => next({ ...call, message } as typeof call);
}

function toWireRequest(json: JsonValue): WireRequest {
  if (typeof json === 'object' && json !== null && 'entities' in json) {
    const message = fromJson(InferflowRequestProtoSchema, json);
    const { modelConfigId, trackingId, entities } = message;
    return { message, request: { modelConfigId, trackingId, entities: entities.map(({ entity, ids }) => ({ entity, ids })) } };
  }
  if (typeof json === 'object' && json !== null && 'pairs' in json) {
    const message = fromJson(PairWiseRequestSchema, json);
    const pairs = message.pairs.map((pair) => ({ first: pair.firstTargetIndex, second: pair.secondTargetIndex }));
    return { message, request: { ...idsOf(message), pairs } };
  }
  if (typeof json === 'object' && json !== null && 'slates' in json) {
    const message = fromJson(SlateWiseRequestSchema, json);
    return { message, request: { ...idsOf(message), slates: message.slates.map(({ targetIndices }) => ({ targetIndices })) } };
  }
  const message = fromJson(PointWiseRequestSchema, json);
  return { message, request: idsOf(message) };
}

function idsOf({ modelConfigId, trackingId, targets }: Pick<PointWiseMessage, 'modelConfigId' | 'trackingId' | 'targets'>) {
  return { modelConfigId, trackingId, targets: targets.map(({ id }) => ({ id })) };
}
