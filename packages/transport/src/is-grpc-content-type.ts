/** The media type of gRPC as we write it. */
export const grpcType = 'application/grpc';

/** The media type of gRPC that names protobuf; who asks with it is answered with it. */
export const protoType = 'application/grpc+proto';

/** True for `application/grpc` and what may follow it, in any case. */
export function isGrpcContentType(value: string | undefined): boolean {
  if (value === undefined || !(value.startsWith(grpcType) || value.toLowerCase().startsWith(grpcType))) return false;
  const next = value.charCodeAt(grpcType.length);
  return value.length === grpcType.length || next === 43 /* + */ || next === 59 /* ; */;
}
