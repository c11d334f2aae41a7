// What the playground says. Numbers never stand without what they mean.

const count = (number) => number.toLocaleString("en-US");
const size = ({ width, height }, scale = 1) => `${width * scale} × ${height * scale}`;
const decibels = (value) => (Number.isFinite(value) ? `${value.toFixed(2)} dB` : "∞ dB");

export function bytesInWords(bytes) {
  return bytes < 100_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function seconds(value) {
  if (value < 90) return `${Math.max(1, Math.round(value))} s`;
  return `${Math.round(value / 60)} min`;
}

export function aboutModel({ label, scale, parameters, bytes, onnx, psnr, kind, channels }) {
  const weight = bytes ?? (onnx ? onnx.length * 0.75 : null);
  const parts = [`${label[0].toUpperCase()}${label.slice(1)} ×${scale}`];
  if (parameters) parts.push(`${count(parameters)} parameters`);
  if (weight) parts.push(`${bytesInWords(weight)} to load`);
  if (psnr) parts.push(`Set5 ${psnr.toFixed(2)} dB`);
  const sentences = [`${parts.join(", ")}.`];
  if (channels === 1) sentences.push("It enlarges brightness; colour is enlarged by bicubic interpolation.");
  if (kind === "textured") sentences.push("It invents texture: what looks sharp need not have been there.");
  const runtime = navigator.gpu ? "up to 27 MB" : "14 MB"; // the build for WebGPU is the larger one
  sentences.push(`The runtime, ${runtime}, is loaded once, when you first press Run.`);
  return sentences.join(" ");
}

export function aboutPicture(picture, lr, scale) {
  return [`${picture.name}: ${size(lr)} pixels will become ${size(lr, scale)}.`, ...picture.notes].join(" ");
}

export function aboutProgress({ done, all, rest }) {
  if (!all) return "Loading the runtime and the network …";
  if (!done) return `Tile 0 of ${all} …`;
  return done < all ? `Tile ${done} of ${all}, about ${seconds(rest)} to go.` : "Measuring …";
}

export function aboutResult({ time, tiles, provider, workers, result }) {
  const several = workers > 1 ? `, ${workers} workers` : "";
  const where = provider === "webgpu" ? "the graphics card (WebGPU)" : `the processor (WebAssembly${several})`;
  return `Done: ${size(result)} pixels in ${time.toFixed(1)} s on ${where}, ${tiles} ${tiles > 1 ? "tiles" : "tile"}.`;
}

/** Both scores and their difference, under the protocol of the course's tables. */
export function aboutScores({ bicubic, network }, { label, scale }) {
  const gain = network - bicubic;
  const sign = gain < 0 ? "−" : "+";
  return (
    `PSNR against the original: bicubic ${decibels(bicubic)}; ${label}: ${decibels(network)} ` +
    `(${sign}${decibels(Math.abs(gain))}). Y (BT.601 studio), border ${scale}, 8-bit.`
  );
}
