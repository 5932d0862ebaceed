import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** One detail of a `google.rpc.Status`. */
export interface StatusDetail {
  /** Full name of the message type. */
  readonly type: string;
  readonly value: Uint8Array;
}

/** What is read of a `google.rpc.Status`. */
export interface StatusDetails {
  /** '' where there is none; 4096 characters at most. */
  readonly message: string;
  readonly details: StatusDetail[];
}

const messageField = 2;
const detailsField = 3;
const longestMessage = 4096;
/** Two bytes make a detail: a peer must not buy a list of tens of thousands with one header. */
const mostDetails = 100;

/**
 * Message and details of a `grpc-status-details-bin` value, base64 of a `google.rpc.Status`: the first hundred, of a value that the limit on
 * header blocks (64 KiB) bounds. Never throws: what cannot be read is left out.
 */
export function parseStatusDetails(value: string | null): StatusDetails {
  let message = '';
  const details: StatusDetail[] = [];
  if (value === null || value === '') return { message, details };
  try {
    const reader = new BinaryReader(new Uint8Array(Buffer.from(firstOf(value), 'base64')));
    while (reader.pos < reader.len && details.length < mostDetails) {
      const [field, wireType] = reader.tag();
      if (field === messageField && wireType === WireType.LengthDelimited) message = reader.string().slice(0, longestMessage);
      else if (field === detailsField && wireType === WireType.LengthDelimited) details.push(parseAny(reader.bytes()));
      else reader.skip(wireType, field);
    }
  } catch {
    // A peer may send anything; the status itself is in the other trailers.
  }
  return { message, details };
}

/** Values of a header that came more than once are joined with commas. */
function firstOf(value: string): string {
  const comma = value.indexOf(',');
  return comma < 0 ? value : value.slice(0, comma);
}

/** A `google.protobuf.Any`: type URL, then value. */
function parseAny(bytes: Uint8Array): StatusDetail {
  const reader = new BinaryReader(bytes);
  let type = '';
  let value: Uint8Array = new Uint8Array(0);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === WireType.LengthDelimited) {
      const url = reader.string();
      type = url.slice(url.lastIndexOf('/') + 1);
    } else if (field === 2 && wireType === WireType.LengthDelimited) value = reader.bytes();
    else reader.skip(wireType, field);
  }
  return { type, value };
}
