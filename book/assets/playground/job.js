// One run of one network on one picture: what it made so far, how far it is, and how to stop it.

import { psnrOf, psnrOfBicubic } from "./colour.js";
import { enlargeTiles, placed, withBytes } from "./enlarge.js";
import { aboutScores } from "./words.js";

export class Job {
  constructor(pool, model, lr, truth) {
    const [height, width] = [lr.height * model.scale, lr.width * model.scale];
    // RGBA in 8 bits; where alpha is 0 the network has not been yet.
    const result = { data: new Uint8ClampedArray(4 * height * width), height, width, grey: lr.grey };
    Object.assign(this, { pool, model, lr, truth, result, stopped: false });
  }

  /** Calls `report({done, all, rest})` on the way; `rest` is an estimate in seconds. */
  async run(report) {
    report({ done: 0, all: 0 });
    const network = await withBytes(this.model);
    if (this.stopped) return null;
    await this.pool.open(network);
    const begun = performance.now();
    let tiles = 0;
    const receive = (tile, { pixels }, done, all) => {
      if (this.stopped) return;
      tiles = all;
      this.keep(tile, pixels);
      report({ done, all, rest: ((performance.now() - begun) / 1000 / done) * (all - done) });
    };
    await enlargeTiles(this.pool, network, this.lr, receive);
    const time = (performance.now() - begun) / 1000;
    const { provider, size } = this.pool;
    const workers = Math.min(size, tiles);
    return { time, tiles, provider, workers, result: this.result, words: await this.scores() };
  }

  keep(tile, pixels) {
    placed(tile, this.model.scale, this.lr.width, (from, to, length) =>
      this.result.data.set(pixels.subarray(4 * from, 4 * (from + length)), 4 * to),
    );
  }

  async scores() {
    const { lr, truth, result, model } = this;
    if (!truth) return "";
    const bicubic = await psnrOfBicubic(lr, model.scale, truth);
    return aboutScores({ bicubic, network: await psnrOf(result, truth, model.scale) }, model);
  }

  /** Ends the workers in the middle of what they do. */
  stop() {
    this.stopped = true;
    this.pool.stop();
  }
}
