import { bytesToText, DataType, dataTypeInfo, decodeValue } from '@inferflow/matrix';

const decoder = new TextDecoder();

/**
 * A value as the decoded API writes it: scalars with an exponent where it is long, elements of vectors in plain decimals with
 * `:` between them, elements of bool vectors as 1 and 0.
 */
export function decodedText(type: DataType, bytes: Uint8Array): string {
  const { elementType, elementBytes, isVector } = dataTypeInfo(type);
  if (type === DataType.String) return decoder.decode(bytes);
  if (type === DataType.Bool) return bytes[0] === 1 ? 'true' : 'false';
  if (type === DataType.BoolVector) return Array.from(bytes, (value) => (value === 1 ? '1' : '0')).join(':');
  // What the store holds was encoded by it, so it decodes.
  if (type === DataType.StringVector) return (decodeValue(type, bytes) as readonly string[]).join(':');
  if (!isVector) return bytesToText(type, bytes, 'answer') ?? '';
  const elements: string[] = [];
  for (let at = 0; at < bytes.length; at += elementBytes)
    elements.push(bytesToText(elementType, bytes.subarray(at, at + elementBytes), 'key') ?? '');
  return elements.join(':');
}
