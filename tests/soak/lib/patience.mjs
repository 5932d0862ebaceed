/** How many times longer than on a machine of one's own everything may take. */
export const patience = Number(process.env.SOAK_PATIENCE ?? 1);

/** A time that a check allows, or that a setting gives an upstream, on the machine at hand. */
export const patient = (ms) => ms * patience;
