// Which answers under load are right: those that are, byte by byte, what the same server answered when it was verified. Others may say the same,
// and tell how long something took besides: of these a random sample is verified when the load is over, so that it takes nothing from it.
const sampleSize = 64;

export class RightAnswers {
  #verified;
  #verify;
  #sample = [];
  /** Answers of other bytes. */
  #others = 0;

  /** @param verify (index, answer), throws when the answer to that message is wrong */
  constructor(verified, verify) {
    this.#verified = verified;
    this.#verify = verify;
  }

  /** An answer to the message of that index. Its bytes are valid during the call only. */
  take(index, answer) {
    if (this.#verified[index].equals(answer)) return;
    const place = this.#others < sampleSize ? this.#others : Math.floor(Math.random() * (this.#others + 1));
    this.#others++;
    if (place < sampleSize) this.#sample[place] = { index, answer: Buffer.from(answer) };
  }

  /** How many were wrong, as far as the sample tells: 0 only when none of it is. */
  wrong() {
    const wrong = this.#sample.filter(({ index, answer }) => !this.#isRight(index, answer)).length;
    return wrong === 0 ? 0 : Math.ceil((this.#others * wrong) / this.#sample.length);
  }

  #isRight(index, answer) {
    try {
      this.#verify(index, answer);
      return true;
    } catch {
      return false;
    }
  }
}
