// Two pictures on top of each other, parted by a line: the comparison of srlib.notebook.widgets.compare for results that are larger than
// a page should hold. Each side is a canvas over the part that is seen, and no more.

import { gestures } from "./gestures.js";

const PIXEL = 16; // CSS pixels of one pixel at the largest zoom
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class View {
  constructor(root, { stage, range, readout, zoomOut, zoomIn, whole, front, back }) {
    Object.assign(this, { root, stage, range, readout, zoomOut, zoomIn, whole, sides: [front, back] });
    this.look = { scale: 1, x: 0, y: 0 }; // x, y: the corner of the picture, in widths and heights of the stage
    this.content = null;
    this.asked = false;
    this.cost = 0; // ms that the last drawing took
    gestures(this);
    range.addEventListener("input", () => this.split(range.value));
    zoomOut.addEventListener("click", () => this.zoom(1 / 1.5));
    zoomIn.addEventListener("click", () => this.zoom(1.5));
    whole.addEventListener("click", () => this.show(1, 0, 0));
    new ResizeObserver(() => this.draw()).observe(stage);
    this.split(50);
  }

  /** Shows two layers of one size; the part that is seen stays where the size does. */
  set({ height, width, layers, labels, alt }) {
    const same = this.content && this.content.height * width === this.content.width * height;
    this.content = { height, width, layers };
    this.sides.forEach(({ canvas, name }, side) => {
      name.textContent = labels[side];
      canvas.setAttribute("aria-label", `${labels[side]}: ${alt}`);
    });
    const shown = width * Math.max(1, Math.round(640 / Math.max(width, height)));
    this.root.style.setProperty("--width", `min(${shown}px, ${(70 * width) / height}vh)`);
    this.root.style.setProperty("--aspect", `${width} / ${height}`);
    const text = `Comparison of ${labels[0]} and ${labels[1]}: arrow keys move the line, plus and minus zoom`;
    this.stage.setAttribute("aria-label", text);
    this.range.setAttribute("aria-label", `Share of ${labels[0]} in percent`);
    this.label = labels[0];
    this.split(this.range.value);
    if (!same) this.look = { scale: 1, x: 0, y: 0 };
    this.draw();
  }

  get most() {
    return Math.max(16, (PIXEL * (this.content?.width ?? 0)) / (this.stage.clientWidth || 1));
  }

  split(percent) {
    this.range.value = clamp(percent, 0, 100);
    this.root.style.setProperty("--split", `${this.range.value}%`);
    this.range.setAttribute("aria-valuetext", `${Math.round(this.range.value)} % ${this.label ?? ""}`);
  }

  show(scale, x, y) {
    this.look = { scale, x: clamp(x, 1 - scale, 0), y: clamp(y, 1 - scale, 0) };
    this.draw();
  }

  zoom(factor, at = { x: 0.5, y: 0.5 }) {
    const { scale, x, y } = this.look;
    const next = clamp(scale * factor, 1, this.most);
    this.show(next, at.x - ((at.x - x) * next) / scale, at.y - ((at.y - y) * next) / scale);
  }

  /** Draws with the next frame of the screen, once, however often it is asked. */
  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      const begun = performance.now();
      this.paint();
      this.cost = performance.now() - begun;
    });
  }

  paint() {
    const { clientWidth, clientHeight } = this.stage;
    if (!this.content || !clientWidth) return;
    const { scale } = this.look;
    const { width, height, layers } = this.content;
    const pixel = (clientWidth * scale) / width; // CSS pixels of one pixel of the result
    this.stage.classList.toggle("srlib-zoomed", scale > 1);
    this.readout.textContent = `${Math.round(pixel * 100)} %`;
    this.zoomOut.disabled = this.whole.disabled = scale <= 1;
    this.zoomIn.disabled = scale >= this.most;
    const cell = Math.max(1, Math.floor(1 / (pixel * devicePixelRatio)));
    const window = this.window(cell, clientWidth / pixel, clientHeight / pixel);
    const ratio = pixel * cell * devicePixelRatio; // screen pixels of one cell
    this.sides.forEach(({ canvas }, side) => {
      canvas.classList.toggle("srlib-smooth", ratio < 1.99 && Math.abs(ratio - 1) > 0.01);
      paintInto(canvas, layers[side](window, cell), window);
      this.place(canvas, window, cell);
    });
  }

  /** The cells that are seen, a little more than the stage. */
  window(cell, across, down) {
    const { scale, x, y } = this.look;
    const { width, height } = this.content;
    const [left, top] = [(-x / scale) * width, (-y / scale) * height];
    const first = [Math.floor(top / cell), Math.floor(left / cell)];
    const last = [Math.ceil(Math.min(top + down, height) / cell), Math.ceil(Math.min(left + across, width) / cell)];
    return { top: first[0], left: first[1], height: last[0] - first[0], width: last[1] - first[1] };
  }

  place(canvas, window, cell) {
    const { scale, x, y } = this.look;
    const across = (100 * cell * scale) / this.content.width; // percent of the stage that a cell is wide
    const down = (100 * cell * scale) / this.content.height;
    canvas.style.left = `${100 * x + window.left * across}%`;
    canvas.style.top = `${100 * y + window.top * down}%`;
    canvas.style.width = `${window.width * across}%`;
    canvas.style.height = `${window.height * down}%`;
  }
}

function paintInto(canvas, data, { width, height }) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
}
