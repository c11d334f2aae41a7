// The playground: a picture of the reader's, a network, and two enlargements side by side. `mount` builds it inside an
// element. What it needs lies beside this file; the runtime and the networks are loaded when they are first used.

import { Component } from "./component.js";

export { enlarge } from "./enlarge.js";

const HERE = import.meta.url;
const STYLES = ["../widget.css", "../swipe.css", "../compare.css", "playground.css"]; // the first three are those of srlib's widgets

/**
 * Builds the playground inside `element`.
 *
 * `network`: the one network of a chapter, {name, label, scale, channels, receptive_radius, multiple} with its ONNX file as `onnx` (base64)
 * or as `file` (beside this script). Without it the reader chooses among all of index.json.
 */
export async function mount(element, network = null) {
  const [index] = await Promise.all([loadIndex(), ...STYLES.map(style)]);
  const known = index.models.find(({ file }) => network?.file === file);
  const models = network ? [{ ...known, ...network }] : index.models;
  const component = new Component(element, models, { base: HERE, fixed: network !== null });
  component.offer(index.pictures);
  if (index.error) component.fail(index.error);
  return component;
}

/** A style sheet in the head, once; ready when it is loaded, or failed: an unstyled playground still works. */
function style(name) {
  const { href } = new URL(name, HERE);
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return null;
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href });
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve;
    document.head.append(link);
  });
}

async function loadIndex() {
  try {
    const answer = await fetch(new URL("index.json", HERE));
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return await answer.json();
  } catch ({ message }) {
    const error = new Error(`The list of networks and pictures could not be loaded (${message}). Reload the page.`);
    return { models: [], pictures: [], error };
  }
}
