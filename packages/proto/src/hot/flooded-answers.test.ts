import { describe, expect, it } from 'vitest';
import { ComputeAnswer } from './compute.js';
import { readFeatureSchema } from './feature-answer-head.js';
import { InferAnswer, MAX_OUTPUTS } from './infer-response.js';

/** `count` empty entries of a length-delimited field. */
function entries(tag: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 2);
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = tag;
  return bytes;
}

/** A length-delimited field with a content. */
function field(tag: number, content: Uint8Array): Uint8Array {
  const head = [tag];
  let rest = content.length;
  for (; rest > 127; rest >>>= 7) head.push((rest & 127) | 128);
  head.push(rest);
  return Uint8Array.from([...head, ...content]);
}

const million = 1 << 20;

describe('answers with entries beyond all measure', () => {
  it('of a model server are refused at once', () => {
    const answer = new InferAnswer();
    for (const tag of [0x2a, 0x32]) {
      const fits = entries(tag, MAX_OUTPUTS);
      expect(answer.read(fits, 0, fits.length)).toBe(true);
      expect(tag === 0x2a ? answer.outputCount : answer.rawCount).toBe(MAX_OUTPUTS);
      const flood = entries(tag, million);
      const began = performance.now();
      expect(answer.read(flood, 0, flood.length)).toBe(false);
      expect(performance.now() - began).toBeLessThan(1000);
    }
  });

  it('of a compute service are refused where the reader says how many rows it takes', () => {
    const answer = new ComputeAnswer();
    const three = field(0x0a, entries(0x12, 3));
    expect(answer.read(three, 0, three.length, 3)).toBe(true);
    expect(answer.read(three, 0, three.length, 2)).toBe(false);
    expect(answer.read(three, 0, three.length)).toBe(true);
    expect(answer.rowCount).toBe(3);
  });

  it('of a feature store are refused: groups and features of the schema', () => {
    const groups = entries(0x1a, million);
    expect(readFeatureSchema(groups, 0, groups.length)).toBeNull();
    const features = field(0x1a, entries(0x12, 100_000));
    expect(readFeatureSchema(features, 0, features.length)).toBeNull();
    const fits = field(0x1a, entries(0x12, 1000));
    expect(readFeatureSchema(fits, 0, fits.length)).toHaveLength(1000);
  });
});
