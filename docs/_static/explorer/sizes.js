/* The sizes of a convolution and of the transposed convolution that leads back.

   The letters: input size i, output size o, kernel size k, stride s, padding p, dilation d, and a,
   the remainder that the floor swallows. The same relations as upshape.shapes.Conv and
   upshape.shapes.ConvTranspose; tests/test_explorer.py compares them on 100,000 layers. */

const upshapeSizes = {
  /** The positions that a kernel spans. */
  span: ({ k, d }) => d * (k - 1) + 1,

  /** The output size of the convolution, or null where the kernel does not fit. */
  conv(i, layer) {
    const room = i + 2 * layer.p - upshapeSizes.span(layer);
    return room < 0 ? null : Math.floor(room / layer.s) + 1;
  },

  /** The remainder a: so many positions of the padded input lie beyond the last window. */
  remainder(i, layer) {
    const room = i + 2 * layer.p - upshapeSizes.span(layer);
    return room < 0 ? null : room % layer.s;
  },

  /** The output size of the transposed convolution, which may come out below 1. */
  transposed: (i, a, layer) => (i - 1) * layer.s - 2 * layer.p + upshapeSizes.span(layer) + a,

  /** Every pair of an output padding a and an output size o >= 1 that leads back to i. */
  choices(i, layer) {
    const found = [];
    for (let a = 0; a < layer.s; a += 1) {
      const o = upshapeSizes.transposed(i, a, layer);
      if (o >= 1) found.push({ a, o });
    }
    return found;
  },

  /** How many taps of the kernel reach the output positions q with q mod s = 0, 1, ..., s - 1. */
  taps({ k, s, p, d }) {
    const counts = new Array(s).fill(0);
    for (let m = 0; m < k; m += 1) counts[(((m * d - p) % s) + s) % s] += 1;
    return counts;
  },
};

if (typeof module !== "undefined") module.exports = upshapeSizes;
