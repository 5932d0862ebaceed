import { MatrixError } from './errors.js';

/**
 * Every wire stores numbers little-endian and blocks keep them as they come. Typed arrays read in the host's order, so a
 * big-endian host would silently swap bytes: it is refused when the package is loaded.
 * @throws {MatrixError} INFERFLOW_MATRIX_HOST_BYTE_ORDER
 */
export function assertLittleEndianHost(firstByteOfOne: number): void {
  if (firstByteOfOne === 1) return;
  throw new MatrixError(
    'INFERFLOW_MATRIX_HOST_BYTE_ORDER',
    'this host is big-endian; values are stored little-endian and need a little-endian host',
  );
}

assertLittleEndianHost(new Uint8Array(new Uint16Array([1]).buffer)[0] as number);
