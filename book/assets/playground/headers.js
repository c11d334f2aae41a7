// What a picture file says about itself before it is decoded: {format, width, height, frames, deep}. Decoding is
// where a tab dies: a PNG of 60 kB can hold 100 megapixels.

const text = (bytes, start, length) => String.fromCharCode(...bytes.subarray(start, start + length));
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function png(bytes) {
  const view = viewOf(bytes);
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  const header = { format: "PNG", ...size, frames: 1, deep: bytes[24] > 8 };
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const name = text(bytes, at + 4, 4);
    if (name === "acTL") header.frames = view.getUint32(at + 8);
    if (name === "IDAT") break;
  }
  return header;
}

function jpeg(bytes) {
  const view = viewOf(bytes);
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) throw new RangeError("a JPEG marker is missing");
    const marker = bytes[at + 1];
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return { format: "JPEG", height: view.getUint16(at + 5), width: view.getUint16(at + 7), frames: 1 };
    const bare = marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
    at += marker === 0xff ? 1 : bare ? 2 : 2 + view.getUint16(at + 2);
  }
  throw new RangeError("a JPEG without a size");
}

const tableBytes = (flags) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);

function afterBlocks(bytes, start) {
  let at = start;
  while (bytes[at]) at += bytes[at] + 1; // each block begins with its length; 0 ends them
  return at + 1;
}

function gif(bytes) {
  const view = viewOf(bytes);
  const header = { format: "GIF", width: view.getUint16(6, true), height: view.getUint16(8, true), frames: 0 };
  let at = 13 + tableBytes(bytes[10]);
  while (at < bytes.length && header.frames < 2) {
    if (bytes[at] === 0x21) at = afterBlocks(bytes, at + 2);
    else if (bytes[at] === 0x2c) {
      header.frames += 1;
      at = afterBlocks(bytes, at + 11 + tableBytes(bytes[at + 9]));
    } else break;
  }
  return header;
}

function webp(bytes) {
  const view = viewOf(bytes);
  const kind = text(bytes, 12, 4);
  const found = (width, height, frames = 1) => ({ format: "WebP", width, height, frames });
  if (kind === "VP8X") {
    const size = (at) => 1 + view.getUint16(at, true) + (bytes[at + 2] << 16);
    return found(size(24), size(27), bytes[20] & 2 ? 2 : 1);
  }
  if (kind === "VP8L") {
    const packed = view.getUint32(21, true);
    return found(1 + (packed & 0x3fff), 1 + ((packed >>> 14) & 0x3fff));
  }
  return found(view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff);
}

function bmp(bytes) {
  const view = viewOf(bytes);
  const old = view.getUint32(14, true) === 12;
  const width = old ? view.getUint16(18, true) : Math.abs(view.getInt32(18, true));
  const height = old ? view.getUint16(20, true) : Math.abs(view.getInt32(22, true));
  return { format: "BMP", width, height, frames: 1 };
}

/** AVIF and HEIC keep sizes in boxes called ispe, one for each picture inside; the largest is taken. */
function boxes(bytes) {
  const view = viewOf(bytes);
  const brand = text(bytes, 8, 4);
  const format = brand.startsWith("avi") ? "AVIF" : "HEIC";
  const header = { format, width: 0, height: 0, frames: brand === "avis" ? 2 : 1 };
  const stop = Math.min(bytes.length - 16, 1 << 20);
  for (let at = 4; at < stop; at++) {
    if (bytes[at] !== 0x69 || text(bytes, at, 4) !== "ispe") continue;
    header.width = Math.max(header.width, view.getUint32(at + 8));
    header.height = Math.max(header.height, view.getUint32(at + 12));
  }
  return header;
}

const tiff = () => ({ format: "TIFF", width: 0, height: 0, frames: 1 });

const READERS = [
  [(bytes) => text(bytes, 1, 3) === "PNG", png],
  [(bytes) => bytes[0] === 0xff && bytes[1] === 0xd8, jpeg],
  [(bytes) => text(bytes, 0, 4) === "GIF8", gif],
  [(bytes) => text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 4) === "WEBP", webp],
  [(bytes) => text(bytes, 0, 2) === "BM" && bytes.length > 26 && bytes[15] + bytes[16] + bytes[17] === 0, bmp],
  [(bytes) => text(bytes, 4, 4) === "ftyp" && /avi|hei|hev|mif|msf/.test(text(bytes, 8, 3)), boxes],
  [(bytes) => ["II*\0", "MM\0*"].includes(text(bytes, 0, 4)), tiff],
];

/** The header of a picture file; null where it is no picture that browsers know; `format` alone where it is broken. */
export function readHeader(bytes) {
  const reader = READERS.find(([fits]) => fits(bytes))?.[1];
  if (!reader) return null;
  try {
    return reader(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // RangeError: the file ends before its header does
    return { format: "picture", broken: true };
  }
}
