// From a file that a reader gave to pixels, or to one sentence that says what is wrong and what to do.

import { readHeader } from "./headers.js";

const MEGA = 1_000_000;
export const MOST_IN = 40; // megapixels that are decoded: 160 MB
export const MOST_OUT = 64; // megapixels of a result: 256 MB
const MOST_BYTES = 256 * MEGA;
const LEAST = 8; // pixels of a side

/** What is wrong with a picture; its message is for the reader. */
export class PictureError extends Error {}

const refuse = (name, what) => {
  throw new PictureError(`${name} ${what}`);
};

function check(name, header) {
  if (header === null) {
    refuse(name, "is not a picture that this page can read. Choose a PNG, JPEG, WebP, GIF, BMP or AVIF file.");
  }
  if (header.broken) refuse(name, "is broken: it ends before its size is told. Choose another copy of it.");
  const millions = (header.width * header.height) / MEGA;
  if (millions > MOST_IN) {
    const shown = `${header.width} × ${header.height}`;
    refuse(name, `has ${millions.toFixed(0)} megapixels (${shown}); the limit is ${MOST_IN}. Crop or shrink it first.`);
  }
  if (header.frames > 1) {
    refuse(name, `is an animated ${header.format} file. Save one of its frames as PNG and choose that.`);
  }
}

async function decode(name, blob, header) {
  try {
    return await createImageBitmap(blob);
  } catch {
    if (["HEIC", "TIFF", "AVIF"].includes(header.format)) {
      return refuse(name, `is a ${header.format} file, which this browser cannot open. Save it as JPEG or PNG first.`);
    }
    return refuse(name, `is broken: the browser cannot decode this ${header.format} file. Choose another copy of it.`);
  }
}

/** RGBA pixels on white, and whether anything was transparent. */
function pixelsOf(name, bitmap) {
  const { width, height } = bitmap;
  if (width * height > MOST_IN * MEGA) refuse(name, `has more than ${MOST_IN} megapixels. Crop or shrink it first.`);
  if (Math.min(width, height) < LEAST) {
    refuse(name, `is ${width} × ${height} pixels; at least ${LEAST} × ${LEAST} are needed.`);
  }
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) refuse(name, "is too large for the memory of this browser. Crop or shrink it first.");
  context.drawImage(bitmap, 0, 0);
  let { data } = context.getImageData(0, 0, width, height);
  const clear = isClear(data);
  if (clear) {
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, width, height);
    ({ data } = context.getImageData(0, 0, width, height));
  }
  canvas.width = canvas.height = 0; // gives its memory back now
  return { data, width, height, clear };
}

function isClear(data) {
  for (let k = 3; k < data.length; k += 4) {
    if (data[k] < 255) return true;
  }
  return false;
}

function isGrey(data) {
  for (let k = 0; k < data.length; k += 4) {
    if (data[k] !== data[k + 1] || data[k] !== data[k + 2]) return false;
  }
  return true;
}

/**
 * Read a picture: {name, data (RGBA), width, height, grey, notes}, upright as its EXIF tag says.
 *
 * Throws PictureError, whose message names the file, what is wrong and the way out.
 */
export async function readPicture(blob, name = blob.name || "The picture") {
  if (blob.size === 0) refuse(name, "is empty (0 bytes). Choose another file.");
  if (blob.size > MOST_BYTES) {
    const shown = (blob.size / MEGA).toFixed(0);
    refuse(name, `has ${shown} MB; the limit is ${MOST_BYTES / MEGA} MB. Save it smaller, as JPEG for example.`);
  }
  const header = readHeader(new Uint8Array(await blob.arrayBuffer()));
  check(name, header);
  const bitmap = await decode(name, blob, header);
  try {
    const { clear, ...pixels } = pixelsOf(name, bitmap);
    const notes = [];
    if (clear) notes.push("It was transparent in parts; these are white now.");
    if (header.deep) notes.push("It had 16 bits a channel; the browser keeps 8.");
    return { name, ...pixels, grey: isGrey(pixels.data), notes };
  } finally {
    bitmap.close();
  }
}

/** The one picture in a drop or a paste. */
export function pickFile(transfer) {
  const files = [...transfer.files];
  if (files.length > 1) throw new PictureError(`These are ${files.length} files. Give one picture at a time.`);
  if (files.length === 1) return files[0];
  if ([...transfer.types].includes("text/uri-list")) {
    const why = "This is a link, and the page loads nothing from elsewhere.";
    throw new PictureError(`${why} Save the picture and give the file.`);
  }
  throw new PictureError("There is no picture in this. Give a file, or copy a picture.");
}

/** Throws where the result would be too large, and says which scale fits. */
export function checkOutput(picture, scale, scales) {
  const millions = (factor) => (picture.width * picture.height * factor ** 2) / MEGA;
  if (millions(scale) <= MOST_OUT) return;
  const fits = scales.filter((each) => millions(each) <= MOST_OUT);
  const way = fits.length ? `Choose ×${Math.max(...fits)}` : "Crop it, shrink it";
  throw new PictureError(
    `${picture.name} would have ${millions(scale).toFixed(0)} megapixels at ×${scale}; the limit is ${MOST_OUT}. ` +
      `${way}, or let it be shrunk first.`,
  );
}
