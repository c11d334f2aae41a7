// Luma, chroma and PSNR, as srlib/images.py and srlib/metrics.py define them.

import { pause, resizedRows } from "./resize.js";

// ITU-R BT.601 in studio range: black is 16/255, white 235/255.
const STUDIO = [
  [65.481 / 255, 128.553 / 255, 24.966 / 255],
  [-37.797 / 255, -74.203 / 255, 112.0 / 255],
  [112.0 / 255, -93.786 / 255, -18.214 / 255],
];
const OFFSET = [16 / 255, 128 / 255, 128 / 255];
const INVERSE = inverse(STUDIO);
const STRIP = 64;

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}

function mix(matrix, planes, before, after) {
  const [red, green, blue] = planes;
  return matrix.map(([r, g, b], channel) => {
    const result = new Float32Array(red.length);
    const add = after[channel];
    for (let k = 0; k < red.length; k++) {
      result[k] = r * (red[k] - before[0]) + g * (green[k] - before[1]) + b * (blue[k] - before[2]) + add;
    }
    return result;
  });
}

export const toYcbcr = (planes) => mix(STUDIO, planes, [0, 0, 0], OFFSET);
export const fromYcbcr = (planes) => mix(INVERSE, planes, OFFSET, [0, 0, 0]);

/** Luma in 8 bits. A grey picture is its own luma. */
function luma(data, start, grey) {
  if (grey) return data[start];
  const [r, g, b] = STUDIO[0];
  return halfEven(r * data[start] + g * data[start + 1] + b * data[start + 2] + 16);
}

function halfEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 ? below + 1 : below;
}

/**
 * PSNR in dB by the papers' protocol: luma of BT.601 in studio range, rounded to 8 bits, `border` pixels cut off.
 * `rows(top, bottom)` gives RGBA rows of the picture that is judged, so that it need never be there as a whole.
 */
export async function psnr(rows, truth, border) {
  const { width, height, grey } = truth;
  let sum = 0;
  for (let top = border; top < height - border; top += STRIP) {
    const bottom = Math.min(top + STRIP, height - border);
    const data = rows(top, bottom);
    for (let y = top; y < bottom; y++) {
      for (let x = border; x < width - border; x++) {
        const error = luma(data, 4 * ((y - top) * width + x), grey) - luma(truth.data, 4 * (y * width + x), grey);
        sum += error * error;
      }
    }
    await pause();
  }
  return -10 * Math.log10(sum / ((height - 2 * border) * (width - 2 * border)) / 255 ** 2);
}

export const psnrOf = (picture, truth, border) =>
  psnr((top, bottom) => picture.data.subarray(4 * top * picture.width, 4 * bottom * picture.width), truth, border);

export const psnrOfBicubic = (lr, scale, truth) =>
  psnr((top, bottom) => resizedRows(lr, scale, top, bottom), truth, scale);
