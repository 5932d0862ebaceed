const smallest = 64;

/*
 * A place is two words of #pairs: hash, value; value 0 = free. An entry's home is hash & mask, here the last 6 bits; where that is taken it
 * stands at the next free place, round the end of the array. A search ends at a free place, so removing must leave none in between:
 *
 *   place            1      2          3          4          5
 *   insert           free   0x02 → a   0x42 → b   0x03 → c   free       homes 2, 2, 3
 *   removeAt(2)      free   0x42 → b   0x03 → c   free       free       b goes to its home, c to the gap that b leaves
 */

/**
 * Hash → positive integer, in one flat array: open addressing, linear probing, no object per entry. Several entries may have one
 * hash; the caller compares. Entries move when others are removed: a place is good until the next change.
 */
export class HashIndex {
  size = 0;
  #pairs = new Uint32Array(smallest * 2);
  #mask = smallest - 1;

  /** Bytes of the array. */
  get byteLength(): number {
    return this.#pairs.byteLength;
  }

  /** The first place that holds this hash, or −1. */
  first(hash: number): number {
    return this.#probe(hash & this.#mask, hash);
  }

  /** The next place after `place` that holds this hash, or −1. */
  next(place: number, hash: number): number {
    return this.#probe((place + 1) & this.#mask, hash);
  }

  /** The value at a place. */
  value(place: number): number {
    return this.#pairs[place * 2 + 1] as number;
  }

  /** Replaces the value at a place. */
  setValue(place: number, value: number): void {
    this.#pairs[place * 2 + 1] = value;
  }

  /** Grows when one more entry would not fit; tells whether it did. */
  makeRoom(): boolean {
    if ((this.size + 1) * 10 <= (this.#mask + 1) * 7) return false;
    this.#resize((this.#mask + 1) * 2);
    return true;
  }

  /** Adds an entry; `value` is 1 … 2^32 − 1. */
  insert(hash: number, value: number): void {
    this.makeRoom();
    this.#put(hash, value);
    this.size++;
  }

  /** The place of this hash with this value, or −1. */
  find(hash: number, value: number): number {
    let place = this.first(hash);
    while (place >= 0 && this.value(place) !== value) place = this.next(place, hash);
    return place;
  }

  /** Empties a place and closes the gap behind it. */
  removeAt(place: number): void {
    const pairs = this.#pairs;
    const mask = this.#mask;
    let gap = place;
    let at = place;
    for (;;) {
      at = (at + 1) & mask;
      const value = pairs[at * 2 + 1] as number;
      if (value === 0) break;
      const home = (pairs[at * 2] as number) & mask;
      // The entry may move into the gap unless its home lies between the gap and itself.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      pairs[gap * 2] = pairs[at * 2] as number;
      pairs[gap * 2 + 1] = value;
      gap = at;
    }
    pairs[gap * 2 + 1] = 0;
    this.size--;
  }

  /** Forgets everything; a large array is given up. */
  clear(): void {
    if (this.#mask + 1 > 4096) this.#resize(smallest);
    this.#pairs.fill(0);
    this.size = 0;
  }

  #probe(start: number, hash: number): number {
    const pairs = this.#pairs;
    const mask = this.#mask;
    const wanted = hash >>> 0;
    for (let place = start; ; place = (place + 1) & mask) {
      if (pairs[place * 2 + 1] === 0) return -1;
      if (pairs[place * 2] === wanted) return place;
    }
  }

  #put(hash: number, value: number): void {
    const pairs = this.#pairs;
    let place = hash & this.#mask;
    while (pairs[place * 2 + 1] !== 0) place = (place + 1) & this.#mask;
    pairs[place * 2] = hash;
    pairs[place * 2 + 1] = value;
  }

  #resize(places: number): void {
    const old = this.#pairs;
    this.#pairs = new Uint32Array(places * 2);
    this.#mask = places - 1;
    if (places === smallest) return;
    for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) this.#put(old[at] as number, old[at + 1] as number);
  }
}
