// Workers that share the tiles of a picture. WebAssembly has one thread in a page that a plain server sends, so it
// gets several workers; a graphics card gets one, which it keeps busy.

const MOST = 4; // workers; each holds its own copy of the runtime and of the network

/** How many workers this machine should have for the processor. */
function cores() {
  const scarce = (navigator.deviceMemory ?? 8) <= 4; // GB; browsers that do not tell are taken to have enough
  return Math.max(1, Math.min(navigator.hardwareConcurrency ?? 2, scarce ? 2 : MOST));
}

export class Cancelled extends Error {}

class Member {
  constructor() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.open = null; // the key of the network it holds
  }

  /** One question, one answer; a worker has one question at a time. */
  ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      this.reject = reject;
      this.worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
      this.worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message || "the worker could not be started"));
      };
      this.worker.postMessage(message, transfer);
    });
  }

  stop() {
    this.worker.terminate();
    this.reject?.(new Cancelled());
  }
}

export class Pool {
  members = [];
  refused = false; // the graphics card failed in the middle of a run, so it is not tried again
  provider = null; // what runs the network, once one is open: "webgpu" or "wasm"

  /** Puts the network into the first worker, which finds out what this browser can do. */
  async open(network, preferred = null) {
    const first = this.members[0] ?? this.add();
    const wanted = preferred ?? (this.refused || this.provider === "wasm" ? "wasm" : null);
    await this.give(first, network, wanted);
    if (this.provider === "webgpu") this.members.splice(1).forEach((member) => member.stop());
  }

  add() {
    const member = new Member();
    this.members.push(member);
    return member;
  }

  async give(member, network, provider) {
    if (member.open === network.key) return;
    const { bytes, scale, channels, key } = network;
    const answer = await member.ask({ action: "open", bytes, scale, channels, provider });
    this.provider = answer.provider;
    member.open = key;
  }

  /**
   * `ask(tile)` makes a tile's message, `receive(tile, answer)` takes what comes back, in any order.
   * Where the graphics card fails on the way, the processor does what is left.
   */
  async run(network, tiles, ask, receive) {
    const waiting = [...tiles];
    try {
      await this.share(network, waiting, ask, receive);
    } catch (error) {
      const again = this.provider === "webgpu" && !(error instanceof Cancelled);
      this.stop(); // what failed, mostly for want of memory, is not to be trusted again
      if (!again) throw error;
      this.refused = true;
      await this.open(network);
      await this.share(network, waiting, ask, receive);
    }
  }

  async share(network, waiting, ask, receive) {
    const count = this.provider === "webgpu" ? 1 : Math.min(cores(), waiting.length);
    while (this.members.length < count) this.add();
    const work = async (member) => {
      await this.give(member, network, this.provider);
      while (waiting.length) {
        const tile = waiting.shift();
        const message = ask(tile);
        try {
          const answer = await member.ask({ action: "tile", ...message }, [message.pixels.buffer]);
          receive(tile, answer);
        } catch (error) {
          waiting.unshift(tile);
          throw error;
        }
      }
    };
    await Promise.all(this.members.slice(0, count).map(work));
  }

  /** How many workers there are, for the reader. */
  get size() {
    return this.members.length;
  }

  /** Ends all workers at once, in the middle of whatever they do; the next `open` starts new ones. */
  stop() {
    for (const member of this.members.splice(0)) member.stop();
    this.provider = null;
  }
}
