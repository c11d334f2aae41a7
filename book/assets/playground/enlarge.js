// A picture through a network, tile by tile, with nothing larger than a tile held as floats.

import { Pool } from "./pool.js";
import { region } from "./resize.js";
import { plan, sideFor } from "./tiles.js";

const fetched = new Map(); // address -> promise of the bytes of a network

async function get(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`the network could not be loaded (${answer.status} for ${address})`);
  return answer.arrayBuffer();
}

function decoded(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
}

/** The network with its bytes: from the page itself, or from a file beside this script, loaded once. */
export async function withBytes(model) {
  const key = model.file ?? `${model.name} ${model.scale} ${model.onnx.length}`;
  if (!fetched.has(key)) {
    const address = model.file && new URL(model.file, import.meta.url).href;
    const bytes = address ? get(address) : Promise.resolve(decoded(model.onnx));
    bytes.catch(() => fetched.delete(key));
    fetched.set(key, bytes);
  }
  return { ...model, key, bytes: await fetched.get(key) };
}

/** `receive(tile, answer)` is called for each tile of `picture`; tiles carry their places in lr pixels. */
export async function enlargeTiles(pool, network, picture, receive, { floats = false, side } = {}) {
  const { receptive_radius: radius, multiple = 1, scale } = network;
  const tiles = plan(picture.height, picture.width, side ?? sideFor(scale, radius, multiple), radius, multiple);
  const ask = ({ row, column }) => ({
    pixels: region(picture, row.first, column.first, row.length, column.length),
    height: row.length,
    width: column.length,
    grey: picture.grey,
    floats,
    keep: {
      top: row.start - row.first,
      bottom: row.stop - row.first,
      left: column.start - column.first,
      right: column.stop - column.first,
    },
  });
  let done = 0;
  await pool.run(network, tiles, ask, (tile, answer) => receive(tile, answer, ++done, tiles.length));
}

/** Where a tile's rows go in the enlarged picture: calls `copy(from, to, length)`, counted in pixels. */
export function placed({ row, column }, scale, width, copy) {
  const wide = (column.stop - column.start) * scale;
  for (let y = 0; y < (row.stop - row.start) * scale; y++) {
    copy(y * wide, (row.start * scale + y) * width * scale + column.start * scale, wide);
  }
}

/** The enlarged picture in floats, channel after channel, not rounded and not clamped: for comparing with PyTorch. */
export async function enlarge(model, picture, { side, provider = null, pool = null } = {}) {
  const workers = pool ?? new Pool();
  const size = picture.height * picture.width * model.scale ** 2;
  const result = new Float32Array((picture.grey ? 1 : 3) * size);
  const receive = (tile, { planes }) => {
    planes.forEach((plane, channel) =>
      placed(tile, model.scale, picture.width, (from, to, length) =>
        result.set(plane.subarray(from, from + length), channel * size + to),
      ),
    );
  };
  try {
    const network = await withBytes(model);
    await workers.open(network, provider);
    await enlargeTiles(workers, network, picture, receive, { floats: true, side });
  } finally {
    if (!pool) workers.stop();
  }
  return result;
}
