// The playground's state and what its controls do. The picture goes through four forms: `picture` (what was given),
// `lr` (what the network gets), `truth` (what `lr` was shrunk from, if it was) and `result`.

import { build, choices, offerModels, thumbnails } from "./controls.js";
import { Job } from "./job.js";
import { bicubicLayer, growingLayer, pixelLayer, squaresLayer } from "./layers.js";
import { checkOutput, PictureError, readPicture } from "./pictures.js";
import { Pool } from "./pool.js";
import { shrunk } from "./resize.js";
import { listenForPictures } from "./sources.js";
import { aboutModel, aboutPicture, aboutProgress, aboutResult } from "./words.js";
import { View } from "./view.js";

const LEAST = 8; // pixels of a side of what a network is given
const REDRAW = 1000; // ms between two drawings of a growing result, at least

export class Component {
  constructor(element, models, { base, fixed }) {
    Object.assign(this, { models, base, fixed, pool: new Pool(), job: null, asked: 0, turn: 0 });
    Object.assign(this, { picture: null, lr: null, truth: null, result: null });
    this.ui = build(fixed);
    this.view = new View(this.ui.root, this.ui.view);
    offerModels(this.ui.model, models);
    if (models.some(({ name }) => name === "edsr_small")) this.ui.model.value = "edsr_small";
    this.offerScales();
    this.listen();
    element.append(this.ui.root);
  }

  get model() {
    const { model, scale } = this.ui;
    if (this.fixed) return this.models[0];
    return this.models.find((each) => each.name === model.value && each.scale === Number(scale.value));
  }

  listen() {
    const { ui } = this;
    ui.model.addEventListener("change", () => this.offerScales() ?? this.prepare());
    ui.scale.addEventListener("change", () => this.describe() ?? this.prepare());
    ui.shrink.addEventListener("change", () => this.prepare());
    ui.left.addEventListener("change", () => this.display());
    ui.run.addEventListener("click", () => this.run());
    ui.cancel.addEventListener("click", () => this.cancel());
    ui.download.addEventListener("click", () => this.download());
    listenForPictures(ui, this.fixed, (blob) => this.take(blob), (error) => this.fail(error));
  }

  offerScales() {
    const { model, scale } = this.ui;
    const before = scale.value;
    const scales = this.models.filter(({ name }) => name === model.value).map((each) => each.scale);
    choices(scale, scales.map((each) => [each, `×${each}`]));
    if (scales.includes(Number(before))) scale.value = before;
    this.describe();
  }

  describe() {
    this.ui.about.textContent = this.model ? aboutModel(this.model) : "";
  }

  /** Puts our own pictures beside the drop zone, and the first of them into the full playground. */
  offer(pictures) {
    const buttons = thumbnails(pictures, this.base);
    this.ui.thumbs.append(...buttons);
    buttons.forEach((button, k) => button.addEventListener("click", () => this.takeOurs(pictures[k], button)));
    if (!this.fixed && pictures.length) this.takeOurs(pictures[0], buttons[0]);
  }

  async takeOurs({ file, label, alt }, button) {
    try {
      const answer = await fetch(new URL(file, this.base));
      if (!answer.ok) throw new Error(`${label} could not be loaded (status ${answer.status}). Reload the page.`);
      this.ui.shrink.checked = true;
      await this.take(await answer.blob(), file.split("/").at(-1), alt, button);
    } catch (error) {
      this.fail(error);
    }
  }

  async take(blob, name = blob.name || "picture.png", alt = name, button = null) {
    const asked = ++this.asked;
    this.ui.alert.textContent = "";
    try {
      const picture = await readPicture(blob, name);
      if (asked !== this.asked) return; // another one was chosen meanwhile
      this.picture = { ...picture, alt };
      for (const each of this.ui.thumbs.children) each.setAttribute("aria-pressed", String(each === button));
      await this.prepare();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Makes what the network will be given, and shows it. What still runs is for something else, and ends. */
  async prepare() {
    if (!this.picture || !this.model) return;
    this.stop();
    const turn = ++this.turn;
    const { picture, model, ui } = this;
    Object.assign(this, { lr: null, truth: null, result: null });
    ui.alert.textContent = ui.numbers.textContent = "";
    try {
      const { small, truth } = ui.shrink.checked ? await this.shrink(picture, model.scale) : { small: picture };
      if (turn !== this.turn) return;
      checkOutput(small, model.scale, this.models.filter(({ name }) => name === model.name).map(({ scale }) => scale));
      Object.assign(this, { lr: small, truth: truth ?? null });
      ui.status.textContent = aboutPicture(picture, small, model.scale);
      this.display();
    } catch (error) {
      if (turn !== this.turn) return;
      ui.status.textContent = "";
      ui.box.hidden = true; // it would show what was there before
      this.fail(error);
    }
    this.enable();
  }

  async shrink(picture, scale) {
    const least = LEAST * scale;
    if (Math.min(picture.width, picture.height) < least) {
      const what = `too small to be shrunk ${scale} times: at least ${least} × ${least} pixels are needed`;
      throw new PictureError(`${picture.name} is ${what}. Untick “Shrink it first”.`);
    }
    this.ui.status.textContent = "Shrinking …";
    return shrunk(picture, scale);
  }

  async run() {
    const { ui, model, lr, truth } = this;
    const job = new Job(this.pool, model, lr, truth);
    Object.assign(this, { job, result: job.result });
    ui.alert.textContent = ui.numbers.textContent = "";
    this.enable();
    ui.cancel.focus({ preventScroll: true });
    try {
      const outcome = await job.run((progress) => this.report(job, progress));
      if (job !== this.job) return;
      ui.status.textContent = aboutResult(outcome);
      ui.numbers.textContent = outcome.words;
    } catch (error) {
      if (job !== this.job) return;
      this.result = null;
      ui.status.textContent = "";
      this.fail(error);
    }
    this.job = null;
    this.enable();
    this.display();
  }

  report(job, progress) {
    const { ui } = this;
    if (job !== this.job) return;
    if (progress.all) Object.assign(ui.progress, { max: progress.all, value: progress.done });
    else ui.progress.removeAttribute("value"); // a bar that does not say how far
    const wait = Math.max(REDRAW, 10 * this.view.cost); // a large result takes long to draw
    if (performance.now() - (job.told ?? -Infinity) < wait && progress.done !== progress.all) return;
    ui.status.textContent = aboutProgress(progress);
    if (progress.done) this.display();
    job.told = performance.now();
  }

  /** The reader's wish: the result so far is dropped, the picture stays. */
  cancel() {
    this.stop();
    this.result = null;
    this.ui.status.textContent = "Cancelled.";
    this.enable();
    this.display();
  }

  stop() {
    this.job?.stop();
    this.job = null;
  }

  enable() {
    const { run, cancel, progress, download } = this.ui;
    const focused = document.activeElement;
    run.disabled = !this.lr || this.job !== null;
    cancel.disabled = this.job === null;
    progress.hidden = this.job === null;
    download.disabled = !this.result || this.job !== null;
    if (focused === cancel && cancel.disabled) run.focus({ preventScroll: true });
  }

  display() {
    const { ui, lr, truth, result, model } = this;
    if (!lr) return;
    const { scale } = model;
    ui.box.hidden = false;
    ui.leftField.hidden = !truth;
    const original = truth && ui.left.value === "original";
    const front = original ? pixelLayer(truth) : bicubicLayer(lr, scale);
    const back = result ? growingLayer(result, lr, scale) : squaresLayer(lr, scale);
    this.view.set({
      height: lr.height * scale,
      width: lr.width * scale,
      layers: [front, back],
      labels: [original ? "original" : "bicubic", result ? model.label : "given pixels"],
      alt: this.picture.alt,
    });
  }

  async download() {
    const { data, width, height } = this.result;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    canvas.width = canvas.height = 0; // gives its memory back now
    if (!blob) return this.fail(new Error(`This browser cannot write a PNG of ${width} × ${height} pixels.`));
    const href = URL.createObjectURL(blob);
    const stem = this.picture.name.replace(/\.[^.]*$/, "");
    const download = `${stem}_${this.model.name}_x${this.model.scale}.png`;
    Object.assign(document.createElement("a"), { href, download }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000); // the download reads it for a moment yet
  }

  fail(error) {
    this.ui.alert.textContent = error.message;
    if (!(error instanceof PictureError)) console.info(error); // for those who look deeper
  }
}
