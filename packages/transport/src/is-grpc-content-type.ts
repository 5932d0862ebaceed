/** True for `application/grpc` and what may follow it, in lower case. */
export function isGrpcContentType(value: string | undefined): boolean {
  if (value === undefined || !value.startsWith('application/grpc')) return false;
  const next = value.charCodeAt(16);
  return value.length === 16 || next === 43 /* + */ || next === 59 /* ; */;
}
