// The page in a real browser: Debian's Chromium, driven by playwright-core.

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Project } from '../../lib/studio/protocol.js';
import { type Studio, startStudio } from '../../lib/studio/server.js';
import { openVideo } from '../../lib/video/media.js';
import { Pictures } from '../../lib/video/pictures.js';
import { av, collect, makeClip, probe, scratch } from '../video/clips.js';
import { Client } from './client.js';

const chrome = process.env.CHROMIUM ?? '/usr/bin/chromium';
const isThere = existsSync(chrome);
if (!isThere) process.stdout.write(`the page: ABSENT, there is no ${chrome}\n`);

const at = scratch();
const [width, height, frames] = [160, 120, 12] as const;
const demo = fileURLToPath(new URL('../../demo/room.mp4', import.meta.url));

/** Every eighth frame of the demo clip, small, with a sound. */
async function makeSmall(path: string): Promise<void> {
  using pictures = new Pictures(av, 'test');
  const small: Uint8Array[] = [];
  let index = 0;
  for await (const frame of await openVideo(demo)) {
    const steps = [`scale=${width}:${height}`, 'format=rgb24'];
    if (index++ % 8 === 0) small.push((await pictures.filter(frame, steps)).data as Uint8Array);
  }
  await makeClip(path, {
    width,
    height,
    frames,
    codec: 'libx264rgb',
    format: 'rgb24',
    audio: true,
    paint: ([plane], [stride = 0], i) => {
      const picture = small[i] as Uint8Array;
      for (let y = 0; y < height; y++)
        plane?.set(picture.subarray(3 * width * y, 3 * width * (y + 1)), y * stride);
    },
  });
}

describe.skipIf(!isThere)(isThere ? 'the page' : `the page: there is no ${chrome}`, () => {
  let studio: Studio;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];

  beforeAll(async () => {
    await mkdir(at('temporary'));
    process.env.TMPDIR = at('temporary');
    await makeSmall(at('small.mp4'));
    studio = await startStudio({ device: 'cpu', workSize: 160 });
    // The tests may run as root, where Chromium has no sandbox.
    browser = await chromium.launch({ executablePath: chrome, args: ['--no-sandbox'] });
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    page = await context.newPage();
    page.on('dialog', (dialog) => dialog.accept());
    page.on('pageerror', ({ message }) => errors.push(message));
    page.on('console', (it) => it.type() === 'error' && errors.push(it.text()));
    await page.goto(studio.url);
  });
  afterAll(async () => {
    await browser.close();
    await studio[Symbol.asyncDispose]();
  });

  const button = (name: string) => page.getByRole('button', { name, exact: true });
  /** Colour of a place of the canvas, in pixels of the video. */
  const colour = (x: number, y: number) =>
    page.locator('canvas').evaluate(
      (canvas: { getContext(kind: '2d'): unknown }, place) => {
        const context = canvas.getContext('2d') as {
          getImageData(...box: number[]): { data: Uint8ClampedArray };
        };
        return [...context.getImageData(...place, 1, 1).data.subarray(0, 3)];
      },
      [x, y],
    );
  const place = async (x: number, y: number) => {
    const box = await page.locator('canvas').boundingBox();
    return { x: (x / width) * (box?.width ?? 0), y: (y / height) * (box?.height ?? 0) };
  };
  const click = async (x: number, y: number, modifiers: 'Shift'[] = []) =>
    page.locator('canvas').click({ position: await place(x, y), modifiers });
  const toFrame = async (index: number) => {
    await page.getByLabel('Frame', { exact: true }).fill(String(index));
    await expect.poll(() => page.locator('.place').textContent()).toContain(`Frame ${index} of 11`);
  };
  /** Until there is nothing to do. */
  const idle = () => expect.poll(() => button('Cancel').count()).toBe(0);
  const isShown = (name: string) =>
    expect.poll(() => button(name).getAttribute('aria-pressed')).toBe('true');
  const download = async (name: string) => {
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name, exact: true }).click(),
    ]);
    await file.saveAs(at(file.suggestedFilename()));
    return file.suggestedFilename();
  };
  /** How much of the mask's magenta there is in a colour. */
  const tint = ([r = 0, g = 0, b = 0]: number[]) => (r + b) / 2 - g;

  // One story, told in order.
  it('opens a video that is chosen', async () => {
    expect(page.url()).not.toContain('token');
    await page.getByLabel('Choose a video').setInputFiles(at('small.mp4'));
    await expect.poll(() => page.locator('header h1').textContent()).toBe('small.mp4');
    await toFrame(7);
  });

  it('follows what is clicked, and shows it', async () => {
    // Above the person's coat.
    await expect.poll(() => colour(94, 60)).not.toEqual([0, 0, 0]);
    const before = await colour(94, 60);
    await click(94, 60);
    await idle();
    await expect.poll(async () => tint(await colour(94, 75)) - tint(before)).toBeGreaterThan(60);
    await expect.poll(() => page.locator('.said li').count()).toBe(1);
    await expect.poll(() => button('Undo').isEnabled()).toBe(true);
  });

  it('is corrected by a click with Shift, by a brush, and undone', async () => {
    await click(20, 20, ['Shift']);
    await idle();
    await expect.poll(() => page.locator('.said li').count()).toBe(2);
    const before = tint(await colour(20, 100));
    await page.keyboard.press('b');
    await click(20, 100);
    await expect.poll(async () => tint(await colour(20, 100)) - before).toBeGreaterThan(60);
    // What is painted stands for all that was said of the frame.
    await expect
      .poll(() => page.locator('.said li').allTextContents())
      .toEqual(['Frame 7painted×']);
    await idle();
    await page.keyboard.press('Control+z');
    await expect.poll(() => page.locator('.said li').count()).toBe(2);
    await idle();
    await expect.poll(async () => tint(await colour(20, 100)) - before).toBeLessThan(20);
  });

  it('does without a mouse', async () => {
    await page.keyboard.press('t');
    await page.locator('canvas').focus();
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Shift+Enter');
    await expect.poll(() => page.locator('.said li').count()).toBe(3);
    await page.keyboard.press('Control+z');
    await expect.poll(() => page.locator('.said li').count()).toBe(2);
    await page.keyboard.press(',');
    await expect.poll(() => page.locator('.place').textContent()).toContain('Frame 6');
    await page.keyboard.press('.');
    await idle();
  });

  it('previews the frame, with a line between before and after', async () => {
    await page.keyboard.press('v');
    await isShown('Preview');
    await page.mouse.move(0, 0);
    await idle();
    const { x, y } = await place(width / 4, 60);
    await page.locator('canvas').click({ position: { x, y } });
    const after = await colour(94, 60);
    await page.locator('canvas').click({ position: await place(150, 60) });
    await expect.poll(() => colour(94, 60)).not.toEqual(after);
  });

  it('removes it, and plays before and after', async () => {
    await button('Remove it').click();
    await isShown('Result');
    await idle();
    await button('Pause').click();
    await toFrame(7);
    await page.locator('canvas').click({ position: await place(150, 60) });
    // The coat is dark, the wall behind it is not.
    const light = async () => (await colour(94, 60)).reduce((a, b) => a + b) / 3;
    for (let i = 0; i < 5; i++) {
      await toFrame(0);
      await expect.poll(light).toBeGreaterThan(135);
      await toFrame(7);
      await expect.poll(light).toBeLessThan(120);
    }
    await page.locator('canvas').click({ position: await place(20, 60) });
    await expect.poll(light).toBeGreaterThan(135);
  });

  it('gives the result with all frames and its sound, the mask, and the project', async () => {
    expect(await download('Result')).toBe('small-clean.mp4');
    expect(await collect(await openVideo(at('small-clean.mp4')))).toHaveLength(frames);
    const sounds = async (name: string) =>
      (await probe(at(name))).tracks.find((it) => it.codec === 'aac')?.packets.map((it) => it.data);
    expect(await sounds('small-clean.mp4')).toEqual(await sounds('small.mp4'));
    expect((await sounds('small.mp4'))?.length).toBeGreaterThan(5);
    const masks = await collect(await openVideo(at(await download('Mask'))));
    expect(masks).toHaveLength(frames);
    // In the frame that was spoken of, where it was, and not in the first, without the person.
    const share = (index: number) =>
      (masks[index]?.data.filter((value) => value > 127).length ?? 0) / (3 * width * height);
    expect(share(7)).toBeGreaterThan(0.04);
    expect(share(7)).toBeLessThan(0.3);
    expect(share(0)).toBeLessThan(0.02);
    const name = await download('Project');
    expect(name).toBe('small.studio.json');
    const { said } = JSON.parse(await readFile(at(name), 'utf8')) as Project;
    expect(said.points.map(({ frame, not }) => [frame, not])).toEqual([
      [7, false],
      [7, true],
    ]);
  });

  it('opens the project again, and shows the same in another tab', async () => {
    await page.getByLabel('Open another').setInputFiles(at('small.mp4'));
    await expect.poll(() => page.locator('.said li').count()).toBe(0);
    await page.getByLabel('Open a project').setInputFiles(at('small.studio.json'));
    await expect.poll(() => page.locator('.said li').count()).toBe(2);
    const tab = await page.context().newPage();
    await tab.goto(new Client(studio).url.origin);
    await expect.poll(() => tab.locator('.said li').count()).toBe(2);
    await tab.getByRole('button', { name: 'Remove point 2' }).click();
    await expect.poll(() => page.locator('.said li').count()).toBe(1);
    await tab.close();
    await idle();
  });

  it('says what was wrong with a file', async () => {
    await writeFile(at('wrong.json'), '{}');
    await page.getByLabel('Open a project').setInputFiles(at('wrong.json'));
    await expect
      .poll(() => page.getByRole('alert').textContent())
      .toContain('a project of the studio');
    errors.splice(0, errors.length, ...errors.filter((text) => !text.includes('400')));
  });

  it('fits a phone, without scrolling sideways', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const overflow = () =>
      page.locator('html').evaluate((html: { scrollWidth: number }) => html.scrollWidth);
    await expect.poll(overflow).toBeLessThanOrEqual(360);
    const box = await page.locator('canvas').boundingBox();
    expect(box?.width).toBeGreaterThan(300);
  });

  it('had no error on the way, and nothing refused by its policy', () => {
    expect(errors).toEqual([]);
  });
});
