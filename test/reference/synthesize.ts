import type { Round } from '../close.js';
import { pushPull } from './push_pull.js';

/** A part of the frame: correction of RGB and gate, [h w 4]. */
interface Decoded {
  readonly h: number;
  readonly w: number;
  readonly y: number;
  readonly x: number;
  readonly data: ArrayLike<number>;
}

/** What is read: [h w 3], [h w], and what is carried, likewise. */
export interface SynthesisMaps {
  readonly h: number;
  readonly w: number;
  readonly frame: ArrayLike<number>;
  readonly known: ArrayLike<number>;
  readonly decoded: Decoded;
  readonly carried?: ArrayLike<number> | undefined;
  readonly carriedKnown?: ArrayLike<number> | undefined;
  /** [h w]. */
  readonly fading?: ArrayLike<number> | undefined;
  /** [h/4 w/4 3]. */
  readonly motion?: ArrayLike<number> | undefined;
}

type State = 'open' | 'context' | 'source';

interface Level {
  readonly h: number;
  readonly w: number;
  readonly colour: number[][];
  readonly state: readonly State[];
}

interface Match {
  readonly y: number;
  readonly x: number;
}

type Matches = (Match | undefined)[];

const square = (radius: number): Match[] => {
  const side = 2 * radius + 1;
  return Array.from({ length: side * side }, (_, i) => ({
    y: Math.floor(i / side) - radius,
    x: (i % side) - radius,
  }));
};
const patch = square(3);

function random(place: number, seed: number): [number, number] {
  let x = (Math.imul(place, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca6b)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d) >>> 0;
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b) >>> 0;
  x = (x ^ (x >>> 16)) >>> 0;
  return [(x & 0xffff) / 65536, (x >>> 16) / 65536];
}

function halved({ h, w, colour, state }: Level): Level {
  const cells = Array.from({ length: (h * w) / 4 }, (_, i) => {
    const [y, x] = [2 * Math.floor((2 * i) / w), (2 * i) % w];
    const all = [y * w + x, y * w + x + 1, (y + 1) * w + x, (y + 1) * w + x + 1];
    const shown = all.filter((at) => state[at] !== 'open');
    const used = shown.length > 0 ? shown : all;
    const mean = (k: number) =>
      Math.floor(
        (used.reduce((sum, at) => sum + (colour[at]?.[k] as number), 0) +
          Math.floor(used.length / 2)) /
          used.length,
      );
    const states = all.map((at) => state[at]);
    const next: State = states.includes('open')
      ? 'open'
      : states.includes('context')
        ? 'context'
        : 'source';
    return { colour: [mean(0), mean(1), mean(2)], state: next };
  });
  return {
    h: h / 2,
    w: w / 2,
    colour: cells.map((it) => it.colour),
    state: cells.map((it) => it.state),
  };
}

/** One level, filled: its colours change. */
class Filling {
  readonly level: Level;
  readonly number: number;
  readonly #weights: number[];
  readonly #wanted: boolean[];
  readonly #whole: boolean[];
  #counts: number[];
  matches: Matches;

  constructor(level: Level, number: number) {
    this.level = level;
    this.number = number;
    const { h, w, state } = level;
    const places = Array.from({ length: h * w }, (_, i) => ({ y: Math.floor(i / w), x: i % w }));
    const around = (at: Match) => patch.map((o) => this.#at({ y: at.y + o.y, x: at.x + o.x }));
    this.#wanted = places.map((at) => around(at).some((i) => i >= 0 && state[i] === 'open'));
    this.#whole = places.map((at) => around(at).every((i) => i >= 0 && state[i] === 'source'));
    this.#weights = places.map((at, i) => {
      if (state[i] !== 'open') return 64;
      let depth = 12;
      places.forEach((to, j) => {
        if (state[j] !== 'open')
          depth = Math.min(depth, Math.max(Math.abs(to.y - at.y), Math.abs(to.x - at.x)));
      });
      return 64 / 2 ** Math.floor((depth + 1) / 2);
    });
    this.#counts = places.map(() => 0);
    this.matches = places.map(() => undefined);
  }

  #at({ y, x }: Match): number {
    const { h, w } = this.level;
    return y >= 0 && y < h && x >= 0 && x < w ? y * w + x : -1;
  }

  /** Takes the matches of the level below, doubled. */
  start(below: Filling): void {
    const { w } = this.level;
    this.matches = this.matches.map((_, i) => {
      const [y, x] = [Math.floor(i / w), i % w];
      const match = below.matches[Math.floor(y / 2) * (w / 2) + Math.floor(x / 2)];
      if (!match || !this.#wanted[i]) return undefined;
      const at = { y: 2 * match.y + (y % 2), x: 2 * match.x + (x % 2) };
      return this.#whole[this.#at(at)] ? at : undefined;
    });
    this.#counts = [...this.#weights];
  }

  look(jump: number, seed: number): void {
    const { h, w, colour } = this.level;
    const before = this.matches;
    this.matches = before.map((own, i) => {
      if (!this.#wanted[i]) return undefined;
      const [y, x] = [Math.floor(i / w), i % w];
      const weights = patch.map((o) => {
        const at = this.#at({ y: y + o.y, x: x + o.x });
        return at < 0 ? 0 : (this.#weights[at] as number);
      });
      const distance = (to: Match) => {
        let sum = 0;
        patch.forEach((o, j) => {
          if (!weights[j]) return;
          const a = colour[this.#at({ y: y + o.y, x: x + o.x })] as number[];
          const b = colour[this.#at({ y: to.y + o.y, x: to.x + o.x })] as number[];
          for (let k = 0; k < 3; k++)
            sum += (weights[j] as number) * ((a[k] as number) - (b[k] as number)) ** 2;
        });
        return sum;
      };
      const candidates: Match[] = own ? [own] : [];
      for (const [dy, dx] of [
        [-1, 0],
        [1, 0],
        [0, -1],
        [0, 1],
      ] as const) {
        const neighbour = this.#at({ y: y + dy * jump, x: x + dx * jump });
        const match = neighbour < 0 ? undefined : before[neighbour];
        if (match) candidates.push({ y: match.y - dy * jump, x: match.x - dx * jump });
      }
      for (let k = 0; k < 4; k++) {
        const [a, b] = random(i, seed + k);
        const reach = Math.floor(Math.max(h, w) / 2 ** k);
        const near = (from: number, part: number) =>
          from + Math.floor(part * (2 * reach + 1)) - reach;
        if (k < 2) candidates.push({ y: Math.floor(a * h), x: Math.floor(b * w) });
        else if (own) candidates.push({ y: near(own.y, a), x: near(own.x, b) });
      }
      let best: Match | undefined;
      let least = Number.POSITIVE_INFINITY;
      for (const it of candidates) {
        const place = this.#at(it);
        if (place < 0 || !this.#whole[place]) continue;
        const found = distance(it);
        if (found < least) [best, least] = [it, found];
      }
      const mean = Math.floor(least / weights.reduce((sum, x) => sum + x));
      this.#counts[i] = Math.floor(((this.#weights[i] as number) * 2 ** 14) / (4 + mean)) + 1;
      return best;
    });
  }

  /** What the patches around say of a pixel, its own `own` times, if any does. */
  vote(i: number, radius: number, own = 1): number[] | undefined {
    const { w, colour } = this.level;
    const sums = [0, 0, 0];
    let total = 0;
    for (const o of square(radius)) {
      const centre = this.#at({ y: Math.floor(i / w) + o.y, x: (i % w) + o.x });
      const match = centre < 0 ? undefined : this.matches[centre];
      if (!match) continue;
      const from = colour[this.#at({ y: match.y - o.y, x: match.x - o.x })] as number[];
      const count = (this.#counts[centre] as number) * (centre === i ? own : 1);
      for (let k = 0; k < 3; k++) sums[k] = (sums[k] as number) + count * (from[k] as number);
      total += count;
    }
    if (!total) return undefined;
    return sums.map((sum) => Math.floor((sum + Math.floor(total / 2)) / total));
  }

  mix(): void {
    const { colour, state } = this.level;
    const made = colour.map((own, i) => (state[i] === 'open' ? (this.vote(i, 3) ?? own) : own));
    made.forEach((it, i) => {
      colour[i] = it;
    });
  }
}

/** The frame, what is known of it, and what is left of the correction. */
export function synthesize(maps: SynthesisMaps, seed: number, round: Round) {
  const { h, w, frame, known, decoded, carried, carriedKnown } = maps;
  const unknown = (i: number) => (known[i] as number) < Math.fround(1e-6);
  const taken = (i: number) => unknown(i) && (carriedKnown?.[i] ?? 0) >= 0.5;
  const window = (i: number) => {
    const [y, x] = [Math.floor(i / w) - decoded.y, (i % w) - decoded.x];
    return y >= 0 && y < decoded.h && x >= 0 && x < decoded.w ? (y * decoded.w + x) * 4 : -1;
  };
  const state = Array.from({ length: h * w }, (_, i): State => {
    if (unknown(i)) return taken(i) ? 'context' : 'open';
    return (known[i] as number) > Math.fround(0.9) ? 'source' : 'context';
  });
  const colour = state.map((it, i) =>
    [0, 1, 2].map((k) => {
      let x = ((taken(i) ? carried : frame) as ArrayLike<number>)[3 * i + k] as number;
      if (it === 'open' && window(i) >= 0)
        x = Math.fround(x + (decoded.data[window(i) + k] as number));
      return Math.min(Math.max(Math.floor(Math.fround(128 * x + 128.5)), 0), 256);
    }),
  );
  const levels: Level[] = [{ h, w, colour, state }];
  for (let l = 1; l < 3; l++) levels.push(halved(levels[l - 1] as Level));
  const fillings = levels.map((level, l) => new Filling(level, l));
  for (const [l, filling] of [...fillings.entries()].reverse()) {
    const below = fillings[l + 1];
    if (below) {
      filling.start(below);
      if (l > 0) filling.mix();
    }
    for (let search = 0; search < ([0, 1, 12][l] as number); search++) {
      for (let turn = 0; turn < 2; turn++)
        filling.look(turn ? 4 : 1, seed + ((l * 64 + search) * 2 + turn) * 4);
      filling.mix();
    }
  }

  const first = fillings[0] as Filling;
  const out = Float64Array.from(frame);
  const made = Float64Array.from(known);
  const left = Float64Array.from(decoded.data);
  const seam = new Float64Array(h * w * 3);
  const ring = new Float64Array(h * w);
  state.forEach((it, i) => {
    const touches = square(1).some((o) => {
      const [y, x] = [Math.floor(i / w) + o.y, (i % w) + o.x];
      return y >= 0 && y < h && x >= 0 && x < w && state[y * w + x] === 'open';
    });
    const said = touches ? first.vote(i, 1, 4) : undefined;
    if (!said) return;
    if (it === 'open') made[i] = 1;
    ring[i] = it === 'open' ? 1 / 256 : 1;
    said.forEach((x, k) => {
      if (it === 'open') out[3 * i + k] = (x - 128) / 128;
      seam[3 * i + k] = ((first.level.colour[i]?.[k] as number) - x) / 128;
    });
  });
  const membrane = pushPull({ h, w, c: 3, data: seam }, ring, round);
  state.forEach((it, i) => {
    if (!unknown(i)) return;
    for (let k = 0; k < 3; k++) {
      const at = 3 * i + k;
      if (it !== 'open') out[at] = carried?.[at] as number;
      else if (made[i] === 1)
        out[at] = Math.min(Math.max(round((out[at] as number) + (membrane[at] as number)), -1), 1);
    }
    if (it !== 'open') made[i] = 1;
    if (made[i] === 1 && window(i) >= 0) left.set([0, 0, 0, 1], window(i));
  });
  const share = state.map((_, i) =>
    unknown(i) && made[i] === 1 ? 1 : Math.max((maps.fading?.[i] ?? 0) - 1 / 2, 0),
  );
  const moved = Float64Array.from(maps.motion ?? []);
  share.forEach((it, i) => {
    if (it === 0 || it === 1) return;
    const [y, x] = [Math.floor(i / w), i % w];
    if (maps.motion) moved[(Math.floor(y / 4) * (w / 4) + Math.floor(x / 4)) * 3 + 2] = -20;
    if (window(i) < 0) return;
    for (let k = 0; k < 4; k++)
      left[window(i) + k] = (1 - it) * (decoded.data[window(i) + k] as number);
  });
  return { frame: out, known: made, decoded: left, share: Float64Array.from(share), motion: moved };
}
