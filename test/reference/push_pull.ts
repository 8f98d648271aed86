import type { Round } from '../close.js';

interface Map {
  readonly h: number;
  readonly w: number;
  readonly c: number;
  readonly data: ArrayLike<number>;
}

/** What is filled in part at a quarter of the size: colour and multiplier [h w c+1], logits [h w]. */
export interface GuessedMap {
  readonly colour: ArrayLike<number>;
  readonly trust: ArrayLike<number>;
}

/** Colours [h w c] filled where weights [h w] are less than 1: [h w c]. */
export function pushPull(
  colour: Map,
  weight: ArrayLike<number>,
  round: Round,
  guess?: GuessedMap,
  level = 0,
): Float64Array {
  const { h, w, c, data } = colour;
  const visibility = { h, w, c: 1, data: weight };
  const weighted = Float64Array.from(data, (x, i) => {
    const part = weight[Math.floor(i / c)] as number;
    return part > 0 ? round(x * part) : 0;
  });
  const fill = guessed(Math.min(h, w) < 2 ? mean() : coarse());
  return weighted.map((x, i) => {
    const part = round(1 - (weight[Math.floor(i / c)] as number));
    return round(x + round(part * (fill[i] as number)));
  });

  function guessed(fill: Float64Array): Float64Array {
    if (!guess || level !== 2) return fill;
    return fill.map((u, i) => {
      const cell = Math.floor(i / c);
      const share = round(1 / (1 + round(Math.exp(-(guess.trust[cell] as number)))));
      const at = cell * (c + 1);
      const part = round((guess.colour[at + c] as number) * share);
      return round(u + round(part * round((guess.colour[at + (i % c)] as number) - u)));
    });
  }

  function mean(): Float64Array {
    const sum = (list: ArrayLike<number>, step: number, first: number) => {
      let total = 0;
      for (let i = first; i < list.length; i += step) total = round(total + (list[i] as number));
      return total;
    };
    const total = Math.max(sum(weight, 1, 0), 1e-6);
    const means = Array.from({ length: c }, (_, k) => round(sum(weighted, c, k) / total));
    return weighted.map((_, i) => means[i % c] as number);
  }

  function coarse(): Float64Array {
    const share = halved(visibility, round);
    const sums = halved({ h, w, c, data: weighted }, round);
    const colours = Float64Array.from(sums.data, (x, i) =>
      round(x / Math.max(share.data[Math.floor(i / c)] as number, 1e-6)),
    );
    const weights = Float64Array.from(share.data, (x) => Math.min(round(6 * x), 1));
    const half = { ...sums, data: colours };
    return enlarged(
      { ...half, data: pushPull(half, weights, round, guess, level + 1) },
      h,
      w,
      round,
    );
  }
}

/** Means over 2 x 2, at an odd border over what is there. */
function halved({ h, w, c, data }: Map, round: Round): Map {
  const [rows, columns] = [Math.ceil(h / 2), Math.ceil(w / 2)];
  const out = new Float64Array(rows * columns * c);
  for (let i = 0; i < out.length; i++) {
    const [y, x] = [2 * Math.floor(i / c / columns), 2 * (Math.floor(i / c) % columns)];
    let [sum, count] = [0, 0];
    for (let v = y; v < Math.min(y + 2, h); v++) {
      for (let u = x; u < Math.min(x + 2, w); u++) {
        sum = round(sum + (data[(v * w + u) * c + (i % c)] as number));
        count++;
      }
    }
    out[i] = round(sum / count);
  }
  return { h: rows, w: columns, c, data: out };
}

function enlarged(map: Map, h: number, w: number, round: Round): Float64Array {
  const part = (i: number, from: number, to: number) => {
    const place = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const first = Math.floor(place);
    return { first, last: Math.min(first + 1, from - 1), t: round(place - first) };
  };
  const mixed = (a: number, b: number, t: number) => round(round(a * (1 - t)) + round(b * t));
  return Float64Array.from({ length: h * w * map.c }, (_, i) => {
    const rows = part(Math.floor(i / map.c / w), map.h, h);
    const columns = part(Math.floor(i / map.c) % w, map.w, w);
    const at = (y: number, x: number) => map.data[(y * map.w + x) * map.c + (i % map.c)] as number;
    const column = (x: number) => mixed(at(rows.first, x), at(rows.last, x), rows.t);
    return mixed(column(columns.first), column(columns.last), columns.t);
  });
}
