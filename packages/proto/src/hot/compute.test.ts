import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NumerixResponseProtoSchema } from '../index.js';
import { ComputeAnswer } from './compute.js';

const field = (tag: number, bytes: readonly number[]) => [tag, bytes.length, ...bytes];

it('rows whose lists come in pieces of both kinds are what the generated code makes of them', () => {
  const piece = fc.record({
    isText: fc.boolean(),
    values: fc.array(fc.array(fc.integer({ min: 97, max: 122 }), { maxLength: 3 }), { maxLength: 3 }),
  });
  // One for all, so that what a message leaves behind would show in the next.
  const answer = new ComputeAnswer();
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 4 }), { maxLength: 3 }), (rows) => {
      const list = ({ isText, values }: (typeof rows)[number][number]) =>
        field(
          isText ? 0x12 : 0x0a,
          values.flatMap((value) => field(0x0a, value)),
        );
      const scores = rows.flatMap((pieces) => field(0x12, pieces.flatMap(list)));
      const message = Uint8Array.from([0x0a, (scores.length & 0x7f) | 0x80, scores.length >> 7, ...scores]);
      const { response } = fromBinary(NumerixResponseProtoSchema, message);
      if (response.case !== 'computationScoreData') throw new Error('no scores');
      const wanted = response.value.computationScores.map(({ matrixFormat }) => {
        const texts = (matrixFormat.value?.values ?? []).map((value) => Buffer.from(value as string).toString('latin1'));
        return [texts[0] ?? null, texts[1] ?? null, texts.length > 1 && matrixFormat.case === 'stringData'];
      });
      expect(answer.read(message, 0, message.length)).toBe(true);
      const text = (start: number, end: number) => (start < 0 ? null : Buffer.from(message.subarray(start, end)).toString('latin1'));
      const read = Array.from({ length: answer.rowCount }, (_, row) => [
        text(answer.idStart(row), answer.idEnd(row)),
        text(answer.valueStart(row), answer.valueEnd(row)),
        answer.isText(row),
      ]);
      expect(read).toEqual(wanted);
    }),
    { numRuns: 2000 },
  );
});
