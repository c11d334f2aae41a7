// What one side of the comparison shows: functions from a window to RGBA pixels. A window is counted in cells, each the
// mean of every × every pixels of the result, so that a screen of a 48-megapixel result costs a screen's work.

import { fromPixels, resample, toPixels } from "./resize.js";

/** The bicubic enlargement of `lr`, made only where someone looks. */
export const bicubicLayer = (lr, scale) => (window, every) =>
  toPixels(resample(fromPixels(lr), scale, window, every));

/** A picture as it is. */
export const pixelLayer = (picture) => (window, every) =>
  averaged(window, every, picture, (y, x, at) => at(picture, y, x));

/** What the network has done so far; elsewhere the pixels of `lr`, as squares. */
export const growingLayer = (result, lr, scale) => (window, every) =>
  averaged(window, every, result, (y, x, at) =>
    result.data[4 * (y * result.width + x) + 3]
      ? at(result, y, x)
      : at(lr, Math.floor(y / scale), Math.floor(x / scale)),
  );

/** `lr` as squares. */
export const squaresLayer = (lr, scale) => (window, every) => {
  const size = { height: lr.height * scale, width: lr.width * scale };
  return averaged(window, every, size, (y, x, at) => at(lr, Math.floor(y / scale), Math.floor(x / scale)));
};

function averaged({ top, left, height, width }, every, size, read) {
  const data = new Uint8ClampedArray(4 * height * width);
  let [red, green, blue] = [0, 0, 0];
  const at = (picture, y, x) => {
    const k = 4 * (y * picture.width + x);
    red += picture.data[k];
    green += picture.data[k + 1];
    blue += picture.data[k + 2];
  };
  for (let y = 0, k = 0; y < height; y++) {
    const rows = [(top + y) * every, Math.min((top + y + 1) * every, size.height)];
    for (let x = 0; x < width; x++, k += 4) {
      const columns = [(left + x) * every, Math.min((left + x + 1) * every, size.width)];
      red = green = blue = 0;
      for (let v = rows[0]; v < rows[1]; v++) {
        for (let u = columns[0]; u < columns[1]; u++) read(v, u, at);
      }
      const count = (rows[1] - rows[0]) * (columns[1] - columns[0]);
      data[k] = red / count;
      data[k + 1] = green / count;
      data[k + 2] = blue / count;
      data[k + 3] = 255;
    }
  }
  return data;
}
