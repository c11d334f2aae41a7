// Bicubic resizing as srlib/resample.py does it: pixel centres at half integers, weights that sum to one, a signal
// mirrored at the edge of its outer pixels, and a kernel that widens when it shrinks.
//
// A source is {height, width, planes(top, bottom, left, right)}: it gives only the part that is needed, as one
// Float32Array per channel, so that no large picture is ever held as floats.

const A = -0.5; // the slope at distance 1 (Keys 1981), as MATLAB and Pillow have it
const SUPPORT = 4;
const STRIP = 64; // rows made at once when a whole picture is resized

const cubic = (distance) => {
  const x = Math.abs(distance);
  if (x <= 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return x < 2 ? ((A * x - 5 * A) * x + 8 * A) * x - 4 * A : 0;
};

const mirrored = (index, size) => {
  const place = ((index % (2 * size)) + 2 * size) % (2 * size);
  return place < size ? place : 2 * size - 1 - place;
};

/** The weights of one output sample, added to `sums`, whose first entry belongs to input sample `base`. */
function addWeights(sums, base, output, scale, share) {
  const stretch = Math.min(scale, 1);
  const centre = (output + 0.5) / scale - 0.5;
  const first = Math.floor(centre - SUPPORT / stretch / 2);
  const weights = Array.from({ length: Math.ceil(SUPPORT / stretch) + 2 }, (_, i) =>
    cubic((centre - first - i) * stretch),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  weights.forEach((weight, i) => (sums[first - base + i] += (share * weight) / total));
}

/**
 * Which input samples the output samples `from` to `to` read, and with which weights. With `every` > 1 an output
 * sample is the mean of so many neighbours: what a screen shows of a picture larger than itself.
 */
export function taps(size, scale, from, to, every = 1) {
  const outputs = Math.round(size * scale);
  const stretch = Math.min(scale, 1);
  const count = Math.ceil(SUPPORT / stretch) + 3 + Math.ceil(every / scale);
  const index = new Int32Array((to - from) * count);
  const weight = new Float64Array((to - from) * count);
  for (let i = from; i < to; i++) {
    const stop = Math.min((i + 1) * every, outputs);
    const base = Math.floor((i * every + 0.5) / scale - 0.5 - SUPPORT / stretch / 2);
    const here = (i - from) * count;
    const sums = weight.subarray(here, here + count);
    for (let j = i * every; j < stop; j++) addWeights(sums, base, j, scale, 1 / (stop - i * every));
    for (let k = 0; k < count; k++) index[here + k] = mirrored(base + k, size);
  }
  let [first, last] = [size - 1, 0];
  index.forEach((place, k) => {
    if (weight[k] === 0) return;
    first = Math.min(first, place);
    last = Math.max(last, place);
  });
  return { first, last: last + 1, count, index, weight };
}

function down(plane, width, { first, count, index, weight }) {
  const rows = index.length / count;
  const result = new Float32Array(rows * width);
  for (let k = 0; k < index.length; k++) {
    if (weight[k] === 0) continue;
    const target = Math.floor(k / count) * width;
    const source = (index[k] - first) * width;
    const w = weight[k];
    for (let x = 0; x < width; x++) result[target + x] += w * plane[source + x];
  }
  return result;
}

function across(plane, width, { first, count, index, weight }) {
  const columns = index.length / count;
  const rows = plane.length / width;
  const result = new Float32Array(rows * columns);
  const places = index.map((place, k) => (weight[k] === 0 ? 0 : place - first));
  for (let y = 0; y < rows; y++) {
    for (let x = 0, k = 0; x < columns; x++) {
      let sum = 0;
      for (let i = 0; i < count; i++, k++) sum += weight[k] * plane[y * width + places[k]];
      result[y * columns + x] = sum;
    }
  }
  return result;
}

/** A window of `source` resized by `scale`, in output samples (each the mean of `every`²): one array per channel. */
export function resample(source, scale, window, every = 1) {
  const rows = taps(source.height, scale, window.top, window.top + window.height, every);
  const columns = taps(source.width, scale, window.left, window.left + window.width, every);
  const width = columns.last - columns.first;
  return source
    .planes(rows.first, rows.last, columns.first, columns.last)
    .map((plane) => across(down(plane, width, rows), width, columns));
}

/** 8-bit RGBA pixels as a source of floats in [0, 1]; one channel where the picture is grey. */
export function fromPixels({ data, height, width, grey }) {
  const planes = (top, bottom, left, right) =>
    (grey ? [0] : [0, 1, 2]).map((channel) => {
      const plane = new Float32Array((bottom - top) * (right - left));
      for (let y = top, k = 0; y < bottom; y++) {
        for (let x = left; x < right; x++, k++) plane[k] = data[4 * (y * width + x) + channel] / 255;
      }
      return plane;
    });
  return { height, width, planes };
}

/** Whole planes as a source. */
export function fromPlanes(whole, height, width) {
  const planes = (top, bottom, left, right) =>
    whole.map((plane) => {
      const part = new Float32Array((bottom - top) * (right - left));
      for (let y = top; y < bottom; y++) {
        part.set(plane.subarray(y * width + left, y * width + right), (y - top) * (right - left));
      }
      return part;
    });
  return { height, width, planes };
}

/** Planes as RGBA. A clamped array does what `srlib.images.to_uint8` does: it clamps and rounds half to even. */
export function toPixels(planes) {
  const [red, green = red, blue = red] = planes;
  const data = new Uint8ClampedArray(4 * red.length);
  for (let k = 0; k < red.length; k++) {
    data[4 * k] = 255 * red[k];
    data[4 * k + 1] = 255 * green[k];
    data[4 * k + 2] = 255 * blue[k];
    data[4 * k + 3] = 255;
  }
  return data;
}

/** Rows `top` to `bottom` of the picture resized by `scale`, as RGBA. */
export function resizedRows(picture, scale, top, bottom) {
  const width = Math.round(picture.width * scale);
  return toPixels(resample(fromPixels(picture), scale, { top, left: 0, height: bottom - top, width }));
}

/** The picture `factor` times smaller, in 8 bits; rows and columns that do not fill a last pixel are cut off first. */
export async function shrunk(picture, factor) {
  const [height, width] = [Math.floor(picture.height / factor), Math.floor(picture.width / factor)];
  const cut = cropped(picture, height * factor, width * factor);
  const data = new Uint8ClampedArray(4 * height * width);
  for (let top = 0; top < height; top += STRIP) {
    data.set(resizedRows(cut, 1 / factor, top, Math.min(top + STRIP, height)), 4 * top * width);
    await pause();
  }
  return { small: { ...picture, data, height, width }, truth: cut };
}

export function cropped(picture, height, width) {
  if (height === picture.height && width === picture.width) return picture;
  return { ...picture, data: region(picture, 0, 0, height, width), height, width };
}

/** A rectangle of RGBA pixels, copied. */
export function region(picture, top, left, height, width) {
  const data = new Uint8ClampedArray(4 * height * width);
  for (let y = 0; y < height; y++) {
    const start = 4 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(start, start + 4 * width), 4 * y * width);
  }
  return data;
}

/** Lets the page draw and answer before the work goes on. A timer would wait 4 ms, and a second in a hidden tab. */
export function pause() {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(null);
  });
}
