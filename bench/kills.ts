// Kills work at random moments, lets it go on, and compares with work that was not killed: `tsx
// bench/kills.ts --film FILE --out DIR [--kills n] [--seed n]`.
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../test/random.js';
import { contentOf, killed, work } from '../test/video/kills.js';

const { values } = parseArgs({
  options: {
    film: { type: 'string' },
    out: { type: 'string' },
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
  },
});
const { film = '', out = '' } = values;
const random = new Random(Number(values.seed));
mkdirSync(out, { recursive: true });
let [runs, kills, same, resumed] = [0, 0, 0, 0];
for (const name of ['whole.mp4', 'whole']) {
  const output = join(out, name);
  await rm(output, { recursive: true, force: true });
  const { milliseconds } = await work(film, output);
  const wanted = await contentOf(output);
  const other = join(out, name.replace('whole', 'killed'));
  for (const most = Number(values.kills) / 2, before = kills; kills < before + most; ) {
    const run = await killed(film, other, [random.next() * milliseconds * 1.05]);
    runs += 1;
    kills += run.kills;
    const got = await contentOf(other);
    const isSame = got.length === wanted.length && got.every((it, i) => it.equals(wanted[i]!));
    if (isSame) same += 1;
    else console.log(`run ${runs} differs: ${run.text}`);
    if (!run.text.includes('"resumed":0')) resumed += 1;
    console.log(`${name}: ${kills} kills in ${runs} runs, ${same} the same, ${resumed} went on`);
  }
}
