// The elements of the playground. Text goes in as text, never as HTML: file names come from the reader.

let count = 0; // several playgrounds may stand on one page, and labels need ids

export function make(tag, properties = {}, ...children) {
  const { className, ...attributes } = properties;
  const element = document.createElement(tag);
  if (className) element.className = className;
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const button = (content, properties = {}) => make("button", { type: "button", ...properties }, content);

function side(name) {
  const canvas = make("canvas", { role: "img" });
  const label = make("span", { className: "srlib-name", "aria-hidden": "true" });
  return { canvas, name: label, layer: make("div", { className: `srlib-layer srlib-${name}` }, canvas, label) };
}

function comparison() {
  const [back, front] = [side("back"), side("front")];
  const grip = make("span", { className: "srlib-grip" }, "↔");
  const line = make("div", { className: "srlib-line", "aria-hidden": "true" }, grip);
  const stage = make("div", { className: "srlib-stage srlib-swipe", tabindex: 0, role: "group" }, back.layer, front.layer, line);
  const range = make("input", { className: "srlib-split", type: "range", min: 0, max: 100, step: 0.5, value: 50 });
  const zoomOut = button("−", { "aria-label": "Zoom out" });
  const zoomIn = button("+", { "aria-label": "Zoom in" });
  const whole = button("Whole");
  const readout = make("output", { "aria-live": "polite" });
  const bar = make("div", { className: "srlib-bar" }, range, zoomOut, zoomIn, whole, readout);
  const hint = make(
    "p",
    { className: "srlib-hint" },
    "Drag the line, or use the slider. Double click zooms in and out, so does the wheel after a click; " +
      "drag to look around.",
  );
  const box = make("div", { className: "playground-view", hidden: true }, stage, bar, hint);
  return { box, view: { stage, range, readout, zoomOut, zoomIn, whole, front, back } };
}

function field(text, control) {
  const id = `playground-${++count}`;
  control.id = id;
  return make("span", { className: "playground-field" }, make("label", { for: id }, text), control);
}

/** Our pictures, each a button with its thumbnail. */
export function thumbnails(pictures, base) {
  return pictures.map(({ label, alt, file }) => {
    const src = new URL(file, base).href;
    const image = make("img", { src, alt: `${label}: ${alt}`, loading: "lazy", draggable: "false" });
    return button(image, { className: "playground-thumb", "aria-pressed": "false", title: label });
  });
}

export function choices(select, entries) {
  select.replaceChildren(...entries.map(([value, text]) => make("option", { value }, text)));
}

/** Each network once, in two groups: a reader should know which kind is before them. */
export function offerModels(select, models) {
  const groups = [
    ["Faithful", ({ kind }) => kind !== "textured"],
    ["Inventing texture", ({ kind }) => kind === "textured"],
  ];
  for (const [label, belongs] of groups) {
    const group = make("optgroup", { label });
    const names = new Map(models.filter(belongs).map((model) => [model.name, model.label]));
    choices(group, [...names]);
    if (names.size) select.append(group);
  }
}

/** All of it, in the order in which a reader goes through it. */
export function build(fixed) {
  const file = make("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Choose a picture" });
  const open = button("Choose a picture", { className: "playground-open" });
  const said = "Nothing is uploaded: the network comes to your picture.";
  const promise = make("p", { className: "playground-promise" }, said);
  const ways = make("span", {}, "or drop one here, or paste one.");
  const drop = make("div", { className: "playground-drop" }, open, ways, ...(fixed ? [] : [promise]), file);
  const thumbs = make("div", { className: "playground-thumbs", role: "group", "aria-label": "Our pictures" });
  const [model, scale, left] = [make("select"), make("select"), make("select")];
  const shrink = make("input", { type: "checkbox", checked: true });
  const run = button("Run", { className: "playground-run", disabled: true });
  const cancel = button("Cancel", { disabled: true });
  const fields = fixed ? [] : [field("Network", model), field("Scale", scale)];
  const shrinking = field("Shrink it first, then compare with the original", shrink);
  const options = make("div", { className: "srlib-bar" }, ...fields, shrinking);
  choices(left, [
    ["bicubic", "bicubic"],
    ["original", "the original"],
  ]);
  const leftField = field("Left of the line", left);
  const about = make("p", { className: "srlib-hint playground-about" });
  const progress = make("progress", { "aria-label": "Tiles done", max: 1, value: 0, hidden: true });
  const status = make("p", { className: "playground-status", role: "status" });
  const alert = make("p", { className: "playground-alert", role: "alert" });
  const numbers = make("p", { className: "playground-numbers" });
  const download = button("Download PNG", { disabled: true });
  const { box, view } = comparison();
  const actions = make("div", { className: "srlib-bar" }, run, cancel, progress);
  const after = make("div", { className: "srlib-bar playground-after" }, leftField, download);
  box.append(after);
  const root = make("div", { className: "srlib-widget srlib-compare playground" });
  if (fixed) root.classList.add("playground-compact");
  root.srlibReady = true; // the scripts of other comparisons on the page must not set this one up
  root.append(drop, thumbs, options, about, actions, status, numbers, alert, box);
  const chosen = { file, open, thumbs, model, scale, shrink, left, leftField };
  const told = { about, progress, status, alert, numbers };
  return { root, box, view, run, cancel, download, ...chosen, ...told };
}
