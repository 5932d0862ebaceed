/** How a floating-point format spells NaN, little-endian: all exponent bits set and a mantissa that is not zero. */
export interface FloatFormat {
  readonly bytes: number;
  /** Exponent bits within the highest byte and within the one below it. */
  readonly highMask: number;
  readonly lowMask: number;
}

const formats: Readonly<Record<string, FloatFormat>> = {
  FP16: { bytes: 2, highMask: 0x7c, lowMask: 0 },
  BF16: { bytes: 2, highMask: 0x7f, lowMask: 0x80 },
  FP32: { bytes: 4, highMask: 0x7f, lowMask: 0x80 },
  FP64: { bytes: 8, highMask: 0x7f, lowMask: 0xf0 },
};

/** The format behind a V2 datatype; null for one that has no NaN. */
export function floatFormatOf(datatype: string): FloatFormat | null {
  return formats[datatype] ?? null;
}

/** Whether one of the values in `bytes[start … end)` is NaN. Reads bytes: tensors lie anywhere in a message, a view per answer would cost more. */
export function holdsNaN(format: FloatFormat, bytes: Uint8Array, start: number, end: number): boolean {
  const { highMask, lowMask } = format;
  for (let high = start + format.bytes - 1; high < end; high += format.bytes) {
    if (((bytes[high] as number) & highMask) !== highMask) continue;
    const low = bytes[high - 1] as number;
    if ((low & lowMask) !== lowMask) continue;
    let mantissa = ((bytes[high] as number) & ~highMask & 0x7f) | (low & ~lowMask & 0xff);
    for (let at = high - format.bytes + 1; at < high - 1; at++) mantissa |= bytes[at] as number;
    if (mantissa !== 0) return true;
  }
  return false;
}
