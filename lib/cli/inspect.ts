import { stat } from 'node:fs/promises';
import { addonSource } from '../addon.js';
import { Device, devices } from '../device.js';
import { defaultWeights } from '../inpainter.js';
import { Safetensors } from '../safetensors.js';
import { ffmpeg } from '../video/ffmpeg.js';
import { openVideo } from '../video/media.js';

/** Runs body, or says why not. */
async function attempt<T extends object>(body: () => Promise<T>): Promise<T | { error: string }> {
  try {
    return await body();
  } catch (error) {
    return { error: (error as Error).message.replaceAll('\n', ' ') };
  }
}

async function describeDevices() {
  using cpu = Device.create('cpu');
  const { instructionSet, threads } = cpu;
  const first = devices().find(({ usable }) => usable)?.name;
  return { addon: addonSource(), auto: first, instructionSet, threads, devices: devices() };
}

async function describeWeights(path: string) {
  const { metadata } = await Safetensors.open(path);
  const { size } = await stat(path);
  const of = (key: string) => metadata.get(key) ?? 'not told';
  return {
    path,
    bytes: size,
    format: `${of('format')} ${of('format_version')}`,
    provenance: of('provenance'),
  };
}

async function describeVideo() {
  return { ffmpeg: (await ffmpeg('inspect')).getFFmpegInfo().version };
}

function print(rows: readonly (readonly [string, string])[]): void {
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(17)}${value}\n`);
}

/** Prints what a video is. */
export async function inspectVideo(path: string, options: { json?: boolean }): Promise<void> {
  await using video = await openVideo(path, { onError: 'keep' });
  await video.count();
  const { width, height, rotation, frames, framesGuessed, fps, fieldOrder, cutOff } = video;
  const { streams } = video;
  if (options.json) {
    const told = { path, width, height, rotation, frames, framesGuessed, fps, fieldOrder, cutOff };
    process.stdout.write(`${JSON.stringify({ ...told, streams })}\n`);
    return;
  }
  const turned = rotation ? `, turned by ${rotation} degrees` : '';
  const count = frames === undefined ? 'not told' : `${framesGuessed ? 'about ' : ''}${frames}`;
  print([
    ['video', path],
    ['size', `${width} x ${height}${turned}`],
    ['frames', `${count}, ${Number(fps.toFixed(3))} a second${cutOff ? ', cut off' : ''}`],
    ['fields', fieldOrder === 'progressive' ? 'none, progressive' : `interlaced, ${fieldOrder}`],
    ...streams.map((stream, i): [string, string] => [i ? '' : 'streams', stream]),
  ]);
}

/** Prints the version, the devices and why each is or is not used, the weights, and FFmpeg's. */
export async function inspect(
  version: string,
  options: { weights?: string; json?: boolean },
): Promise<void> {
  const path = options.weights ?? defaultWeights;
  const compute = await attempt(describeDevices);
  const weights = await attempt(() => describeWeights(path));
  const video = await attempt(describeVideo);
  const node = `${process.version} on ${process.platform}-${process.arch}`;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ version, node, ...compute, weights, video })}\n`);
    return;
  }
  const rows: [string, string][] = [
    ['version', version],
    ['node', node],
  ];
  if ('error' in compute) rows.push(['devices', compute.error]);
  else {
    const { path: from, passed } = compute.addon;
    rows.push(['addon', from], ...passed.map((reason): [string, string] => ['', `not ${reason}`]));
    for (const { name, usable, reason } of compute.devices) {
      const state = usable ? `usable${name === compute.auto ? ', taken by auto' : ''}` : 'not used';
      rows.push([name, reason ? `${state}: ${reason}` : state]);
    }
    rows.push(['instruction set', compute.instructionSet], ['threads', String(compute.threads)]);
  }
  if ('error' in weights) rows.push(['weights', weights.error]);
  else {
    rows.push(['weights', `${weights.path} (${(weights.bytes / 1e6).toFixed(1)} MB)`]);
    rows.push(['', `format ${weights.format}`], ['', weights.provenance]);
  }
  rows.push(['video', 'error' in video ? video.error : `FFmpeg ${video.ffmpeg} (node-av)`]);
  print(rows);
}
