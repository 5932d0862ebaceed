// RFC 7541 appendix B. The code is canonical: codes of one length count up in the order of their symbols, and the next length goes on
// where the last one ended. So lengths and symbols say everything. Symbol 256 is EOS, whose first bits are the padding of a string.
const symbolsOfLength: readonly (readonly [bits: number, symbols: readonly number[]])[] = [
  [5, [48, 49, 50, 97, 99, 101, 105, 111, 115, 116]],
  [6, [32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112, 114, 117]],
  [
    7,
    [
      58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119, 120, 121,
      122,
    ],
  ],
  [8, [38, 42, 44, 59, 88, 90]],
  [10, [33, 34, 40, 41, 63]],
  [11, [39, 43, 124]],
  [12, [35, 62]],
  [13, [0, 36, 64, 91, 93, 126]],
  [14, [94, 125]],
  [15, [60, 96, 123]],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [22, [129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233]],
  [
    23,
    [
      1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197,
      231, 239,
    ],
  ],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [27, [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]],
  [28, [2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127, 220, 249]],
  [30, [10, 13, 22, 256]],
];

/** One code: its bits, right-aligned, and how many there are. */
export interface HuffmanCode {
  readonly code: number;
  readonly bits: number;
}

const endOfString = 256;

/** The code of every symbol, EOS last. */
export const huffmanCodes: readonly HuffmanCode[] = listCodes();

function listCodes(): HuffmanCode[] {
  const codes = new Array<HuffmanCode>(endOfString + 1);
  let code = 0;
  let bitsBefore = 0;
  for (const [bits, symbols] of symbolsOfLength) {
    code *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    for (const symbol of symbols) codes[symbol] = { code: code++, bits };
  }
  return codes;
}

// A state is an inner node of the code tree; there are 256. One step takes four bits: no code is shorter than five, so a step ends at
// most one symbol. A step is `next state | symbol << 8 | hasSymbol | isBroken`.
const hasSymbol = 1 << 16;
const isBroken = 1 << 17;
const steps = new Uint32Array(256 * 16);
/** States in which a string may end: after at most seven bits of EOS. */
const mayEnd = new Uint8Array(256);
buildSteps();

function buildSteps(): void {
  const root = 0;
  // children[2 s + bit]: an inner node, or −1 − symbol.
  const children: number[] = [0, 0];
  for (let symbol = 0; symbol <= endOfString; symbol++) {
    const { code, bits } = huffmanCodes[symbol]!;
    let node = root;
    for (let bit = bits - 1; bit >= 0; bit--) {
      const at = 2 * node + (Math.floor(code / 2 ** bit) & 1);
      if (bit === 0) children[at] = -1 - symbol;
      else {
        if (children[at] === 0) {
          children[at] = children.length / 2;
          children.push(0, 0);
        }
        node = children[at]!;
      }
    }
  }
  for (let state = 0; state < 256; state++)
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state;
      let step = 0;
      for (let bit = 3; bit >= 0; bit--) {
        const child = children[2 * node + ((nibble >> bit) & 1)]!;
        if (child >= 0) node = child;
        else {
          const symbol = -1 - child;
          step = symbol === endOfString ? isBroken : hasSymbol | (symbol << 8);
          node = root;
        }
        if (step === isBroken) break;
      }
      steps[state * 16 + nibble] = step | node;
    }
  for (let node = root, bits = 0; bits < 8; bits++) {
    mayEnd[node] = 1;
    node = children[2 * node + 1]!;
  }
}

/**
 * Decodes a Huffman-coded string. Returns the length of the text, or −1 when the code is broken: EOS within it, or padding that is
 * longer than seven bits or not the beginning of EOS. `target` needs room for 8/5 of the coded length.
 */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, target: Uint8Array): number {
  let state = 0;
  let length = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    let step = steps[state * 16 + (byte >> 4)]!;
    if (step >= hasSymbol) {
      if (step >= isBroken) return -1;
      target[length++] = (step >> 8) & 0xff;
    }
    step = steps[(step & 0xff) * 16 + (byte & 15)]!;
    if (step >= hasSymbol) {
      if (step >= isBroken) return -1;
      target[length++] = (step >> 8) & 0xff;
    }
    state = step & 0xff;
  }
  return mayEnd[state] === 1 ? length : -1;
}
