// How a picture is cut: pieces of one size, so that the memory of WebAssembly, which never shrinks, does not grow with
// ever new shapes. Each piece is computed with a margin where the picture goes on, which is then cut off: nothing that
// enters a kept pixel is missing, and there is no seam (see srlib/inference.py).

// Pixels of a piece's side with its margin, by scale. Measured for 512 × 512 at ×2 with edsr_small: 7.4 s of processor
// with 128, 4.4 s with 288, 3.5 s in one piece. A network for ×4 holds 16 times the picture in its last layers: with 192,
// SRResNet takes some 300 MB in each worker.
const SIDE = { 2: 288, 3: 224, 4: 192 };

// A network that folds pixels sees a block of `multiple` pixels as one: where a block is cut, it reaches one block on.
const marginFor = (radius, multiple) => (multiple > 1 ? (Math.ceil(radius / multiple) + 1) * multiple : radius);

export const sideFor = (scale, radius, multiple = 1) => Math.max(SIDE[scale] ?? 160, 4 * marginFor(radius, multiple));

/**
 * The pieces of 0..size: where each begins, and from where to where it is kept; all are `length` long. They begin at
 * multiples of `multiple`, as the blocks of the whole picture do.
 */
export function spans(size, side, radius, multiple = 1) {
  if (size <= side) return [{ first: 0, length: size, start: 0, stop: size }];
  const margin = marginFor(radius, multiple);
  const count = Math.ceil((size - 2 * margin) / (side - 2 * margin));
  const even = Math.ceil((size + 2 * margin * (count - 1)) / count);
  const length = even + ((size - even) % multiple); // so that the last piece, too, begins at a multiple
  const pieces = [];
  for (let start = 0; start < size; ) {
    const aligned = Math.floor((start - margin) / multiple) * multiple;
    const first = Math.min(Math.max(aligned, 0), size - length); // the last piece is moved inside
    const stop = first + length === size ? size : first + length - margin;
    pieces.push({ first, length, start, stop });
    start = stop;
  }
  return pieces;
}

/** All tiles of a picture, row by row. */
export function plan(height, width, side, radius, multiple = 1) {
  const columns = spans(width, side, radius, multiple);
  return spans(height, side, radius, multiple).flatMap((row) => columns.map((column) => ({ row, column })));
}
