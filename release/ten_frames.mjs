// Removes a box from ten frames, with the package that is installed where this runs, and says which addon did it.
import { Inpainter } from 'align-and-attend';

const [width, height] = [64, 48];
const image = (channels, value) => ({
  data: Uint8Array.from({ length: width * height * channels }, (_, i) => value(i / channels)),
  width,
  height,
  channels,
});
const inside = (i) => (i % width) % 40 < 8 && i / width > 20 && i / width < 30;
const mask = image(1, (i) => (inside(i) ? 255 : 0));

const inpainter = await Inpainter.create({ device: 'cpu', workSize: 64 });
let frames = 0;
for await (const { data } of inpainter.inpaint(
  Array.from({ length: 10 }, (_, t) => ({ frame: image(3, (i) => (i * 7 + t) % 251), mask })),
)) {
  if (data.length !== width * height * 3) throw new Error(`got ${data.length} bytes`);
  frames++;
}
await inpainter.dispose();
if (frames !== 10) throw new Error(`expected 10 frames, got ${frames}`);
console.log(`${process.version} ${process.platform}-${process.arch}: ten frames`);
