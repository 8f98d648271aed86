// Weights that are a valid file, but not of a network.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Device } from '../../lib/device.js';
import { Network } from '../../lib/network/network.js';
import { fixturePath } from './fixtures.js';

interface Header {
  __metadata__: Record<string, string>;
  [name: string]: unknown;
}

let device: Device;
let folder: string;
let original: Buffer;

beforeAll(async () => {
  device = Device.create('cpu');
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
  original = await readFile(fixturePath('narrow.safetensors'));
});

afterAll(async () => {
  device.dispose();
  await rm(folder, { recursive: true });
});

/** Writes the narrow network with another header, or other data. */
async function changed(change: (header: Header, data: Buffer) => void): Promise<string> {
  const length = Number(original.readBigUInt64LE());
  const header = JSON.parse(original.toString('utf8', 8, 8 + length)) as Header;
  const data = Buffer.from(original.subarray(8 + length));
  change(header, data);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const path = join(folder, 'changed.safetensors');
  await writeFile(path, Buffer.concat([size, text, data]));
  return path;
}

const config =
  (
    change: (config: {
      homography: Record<string, unknown>;
      inpainter: Record<string, unknown>;
    }) => void,
  ) =>
  (header: Header) => {
    const value = JSON.parse(header.__metadata__.config as string);
    change(value);
    header.__metadata__.config = JSON.stringify(value);
  };

test('sizes come from the file', async () => {
  using network = await Network.load(device, fixturePath('narrow.safetensors'));
  expect(network.config).toEqual({
    homography: {
      width: 4,
      hidden: 8,
      size: 64,
      grid: 8,
      iterations: 2,
      levels: [
        { cell: 4, steps: 4, robust: 1.5 },
        { cell: 2, steps: 4, robust: 1.5 },
        { cell: 1, steps: 4, robust: 1.5 },
      ],
    },
    inpainter: { width: 4, flowWidth: 2 },
  });
});

test('disposing of a network frees its weights', async () => {
  const before = device.memory().used;
  const network = await Network.load(device, fixturePath('narrow.safetensors'));
  expect(device.memory().used).toBeGreaterThan(before);
  network.dispose();
  network.dispose();
  expect(device.memory().used).toBe(before);
});

test.each<[string, (header: Header, data: Buffer) => void, RegExp]>([
  [
    'no format',
    (h) => delete h.__metadata__.format,
    /expected format of .*changed.safetensors to be align-and-attend, got undefined/,
  ],
  [
    'an earlier version',
    (h) => (h.__metadata__.format_version = '1'),
    /expected format_version .* to be 3, got 1/,
  ],
  ['no config', (h) => delete h.__metadata__.config, /expected config .* to be JSON/],
  [
    'a config that is null',
    (h) => (h.__metadata__.config = 'null'),
    /expected config.homography.levels/,
  ],
  [
    'a width of none',
    config((c) => (c.inpainter.width = 0)),
    /expected config.inpainter.width .* from 1 to 1024, got 0/,
  ],
  ['a width that is huge', config((c) => (c.inpainter.width = 1e9)), /got 1000000000/],
  [
    'levels that are none',
    config((c) => (c.homography.levels = [])),
    /expected config.homography.levels .* a list of 1 to 4/,
  ],
  [
    'cells that do not fit',
    config((c) => (c.homography.levels = [[3, 4, 1]])),
    /expected config.homography.levels\[0\] .* of cells of 1, 2 or 4, got 3/,
  ],
  [
    'cells that grow',
    config(
      (c) =>
        (c.homography.levels = [
          [2, 4, 1],
          [4, 4, 1],
        ]),
    ),
    /expected config.homography.levels\[1\] .* of cells as small as the first, 2, got 4/,
  ],
  [
    'a refinement that minds nothing',
    config((c) => (c.homography.levels = [[4, 4, 0]])),
    /expected config.homography.levels\[0\] .* robust as 0 to 100, got 0/,
  ],
  [
    'a grid that does not fit',
    config((c) => (c.homography.grid = 6)),
    /the grid a multiple of 4, got 64 and 6/,
  ],
  [
    'another width',
    config((c) => (c.inpainter.width = 8)),
    /tensor inpainter.encoder.layers.0.weight to have shape \[8, 4, 5, 5\] .*got \[4, 4, 5, 5\]/,
  ],
  [
    'a tensor of another name',
    (h) => {
      h['inpainter.D1.bias'] = h['inpainter.d1.bias'];
      delete h['inpainter.d1.bias'];
    },
    /to hold tensor inpainter.d1.bias, got none of that name/,
  ],
  ...([0, 0x7bff] as const).map(
    (bits) =>
      [
        `weights that are all ${bits ? 65504 : 0}`,
        (_: Header, data: Buffer) => {
          for (let at = 0; at + 1 < data.length; at += 2) data.writeUInt16LE(bits, at);
        },
        /attention_sigma to be a number from 0.001 to 1000 in .*got (0|65504)$/,
      ] as [string, (header: Header, data: Buffer) => void, RegExp],
  ),
  [
    'a weight that is not a number',
    (h, data) => {
      const { data_offsets: offsets } = h['homography.fc.weight'] as {
        data_offsets: [number, number];
      };
      data.writeUInt16LE(0x7e00, offsets[0] + 4);
    },
    /tensor homography.fc.weight to hold finite numbers .*got NaN at 2/,
  ],
])('%s', async (_, change, message) => {
  const before = device.memory().used;
  const path = await changed(change);
  await expect(Network.load(device, path)).rejects.toThrow(message);
  await expect(Network.load(device, path)).rejects.toMatchObject({ code: 'ERR_WEIGHTS' });
  expect(device.memory().used).toBe(before);
});
