// How a picture is cut: pieces of one size, so that the memory of WebAssembly, which never shrinks, does not grow with
// ever new shapes. Each piece is computed with `reach` pixels more where the picture goes on, which are then cut off:
// nothing that enters a kept pixel is missing, and there is no seam (see srlib/inference.py).

// Pixels of a piece's side with its overlap, by scale. Measured for 512 × 512 at ×2 with edsr_small: 7.4 s of processor
// with 128, 4.4 s with 288, 3.5 s in one piece. A network for ×4 holds 16 times the picture in its last layers: with 192,
// SRResNet takes some 300 MB in each worker.
const SIDE = { 2: 288, 3: 224, 4: 192 };

export const sideFor = (scale, reach) => Math.max(SIDE[scale] ?? 160, 4 * reach);

/** The pieces of 0..size: where each begins, and from where to where it is kept; all are `length` long. */
export function spans(size, side, reach) {
  if (size <= side) return [{ first: 0, length: size, start: 0, stop: size }];
  const count = Math.ceil((size - 2 * reach) / (side - 2 * reach));
  const length = Math.ceil((size + 2 * reach * (count - 1)) / count);
  const pieces = [];
  for (let start = 0; start < size; ) {
    const first = Math.min(Math.max(start - reach, 0), size - length); // the last piece is moved inside
    const stop = first + length === size ? size : first + length - reach;
    pieces.push({ first, length, start, stop });
    start = stop;
  }
  return pieces;
}

/** All tiles of a picture, row by row. */
export function plan(height, width, side, reach) {
  const columns = spans(width, side, reach);
  return spans(height, side, reach).flatMap((row) => columns.map((column) => ({ row, column })));
}
