// One network in one worker: RGBA tiles in, enlarged tiles out. The page stays alive whatever happens here.

import { fromYcbcr, toYcbcr } from "./colour.js";
import { fromPixels, fromPlanes, resample, toPixels } from "./resize.js";

const RUNTIME = new URL("../vendor/onnxruntime-web/", import.meta.url);
const BUILDS = { webgpu: "ort.webgpu.min.mjs", wasm: "ort.wasm.min.mjs" };

let ort = null;
let session = null;
let network = null;

async function load(provider) {
  const runtime = await import(new URL(BUILDS[provider], RUNTIME).href);
  runtime.env.wasm.numThreads = 1; // threads need headers that plain servers do not send: the pool has workers instead
  runtime.env.wasm.wasmPaths = RUNTIME.href;
  runtime.env.logLevel = "error";
  return runtime;
}

async function start(provider, bytes) {
  const runtime = await load(provider);
  const created = await runtime.InferenceSession.create(new Uint8Array(bytes), {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    logSeverityLevel: 3, // errors; that small nodes run on the processor is no error
  });
  return [runtime, created];
}

/** Whether a graphics card would do the work: where there is none, some browsers imitate one, and that is slow. */
async function hasCard() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
}

async function open({ bytes, provider, scale, channels }) {
  await session?.release();
  session = null;
  network = { scale, channels };
  if (provider === "webgpu" || (provider !== "wasm" && (await hasCard()))) {
    try {
      [ort, session] = await start("webgpu", bytes);
      return { provider: "webgpu" };
    } catch (error) {
      console.info(`WebGPU does not run this network, so the processor does: ${error.message}`);
    }
  }
  [ort, session] = await start("wasm", bytes);
  return { provider: "wasm" };
}

/** The network on planes of (height, width), to planes `scale` times as large. */
async function run(planes, height, width) {
  const size = height * width;
  const input = new Float32Array(planes.length * size);
  planes.forEach((plane, channel) => input.set(plane, channel * size));
  const lr = new ort.Tensor("float32", input, [1, planes.length, height, width]);
  const { sr } = await session.run({ lr });
  const output = await sr.getData();
  const large = size * network.scale ** 2;
  const result = planes.map((_, channel) => output.slice(channel * large, (channel + 1) * large));
  sr.dispose();
  lr.dispose();
  return result;
}

/** As srlib.inference: a network for luma leaves chroma to bicubic; one for RGB sees grey three times. */
async function inColour(planes, height, width) {
  if (network.channels === planes.length) return run(planes, height, width);
  if (network.channels === 1) {
    const [y, ...chroma] = toYcbcr(planes);
    const window = { top: 0, left: 0, height: height * network.scale, width: width * network.scale };
    const [luma] = await run([y], height, width);
    return fromYcbcr([luma, ...resample(fromPlanes(chroma, height, width), network.scale, window)]);
  }
  const [red, green, blue] = await run([planes[0], planes[0], planes[0]], height, width);
  return [red.map((value, k) => (value + green[k] + blue[k]) / 3)];
}

async function tile({ pixels, height, width, grey, keep, floats }) {
  const source = fromPixels({ data: pixels, height, width, grey });
  const large = await inColour(source.planes(0, height, 0, width), height, width);
  const s = network.scale;
  const edges = [keep.top, keep.bottom, keep.left, keep.right].map((edge) => edge * s);
  const kept = fromPlanes(large, height * s, width * s).planes(...edges);
  return floats ? { planes: kept } : { pixels: toPixels(kept) };
}

const ACTIONS = { open, tile };

self.onmessage = async ({ data }) => {
  try {
    const answer = await ACTIONS[data.action](data);
    const buffers = [answer.pixels, ...(answer.planes ?? [])].filter(Boolean).map((array) => array.buffer);
    self.postMessage(answer, buffers);
  } catch (error) {
    self.postMessage({ error: error.message ?? String(error) });
  }
};
