const maxForms = 64;

/** Where the cells of a cached row stand. Rows outlive the plan that wrote them; another may have other slots, or other vectors in the row. */
export interface RowForm {
  /** In every row. Never given to another form of the source. */
  readonly number: number;
  /** Bytes of a row. */
  readonly stride: number;
  readonly slotCount: number;
  /** Per column of the component: slot, bytes from the start of the row, bytes of the cell; −1 = variable. */
  readonly cells: Int32Array;
}

/** The forms of one source's rows. Forms that were asked for long ago are forgotten; their rows cannot be read then. */
export class RowForms {
  /** With the vectors in the row whose lengths hold now, as far as anybody knows: for plans to come. */
  learned: RowForm | null = null;
  readonly #forms = new Map<number, RowForm>();
  #lastNumber = 0;

  /** The form with these cells. */
  of(stride: number, slotCount: number, cells: Int32Array): RowForm {
    let form: RowForm | undefined;
    for (const known of this.#forms.values()) if (isEqual(known, stride, slotCount, cells)) form = known;
    form ??= { number: ++this.#lastNumber, stride, slotCount, cells };
    this.#forms.delete(form.number);
    this.#forms.set(form.number, form);
    if (this.#forms.size > maxForms) this.#forgetOldest();
    return form;
  }

  /** The form of a number; undefined when it is not known any more. */
  get(number: number): RowForm | undefined {
    return this.#forms.get(number);
  }

  #forgetOldest(): void {
    for (const number of this.#forms.keys()) {
      this.#forms.delete(number);
      return;
    }
  }
}

function isEqual(form: RowForm, stride: number, slotCount: number, cells: Int32Array): boolean {
  return form.stride === stride && form.slotCount === slotCount && form.cells.every((cell, index) => cell === cells[index]);
}
