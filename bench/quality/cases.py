#!/usr/bin/python3
"""Makes cases for run.py out of pictures, clips and masks: of most, part is never shown.

    bench/quality/cases.py --images DIR --clips DIR --masks DIR --out DIR
                           [--fixed 24] [--pans 4] [--texts 4] [--frames 8] [--doubted NAME ...]
                           [--height 240] [--seed 1]

fixed-*: a camera that stands still, slight noise, exposure that drifts; the hole is a box in a corner, a
line of text or an object's mask, and stays. pan-*: a camera that pans slowly, the hole is a strip that goes
with the scene. text-*: a line of text over a moving clip. doubted-*: 24 frames of the clips of these
names, of which other frames show what one cannot trust (water, crowds, parallax); the hole is an object's
mask that drifts. The same seed makes the same cases. Needs Python 3.11 with OpenCV and NumPy.
"""
import argparse
import pathlib

import cv2
import numpy as np

WORDS = ('What no frame shows', 'Chapter 7: the river', 'and then we left', 'LIVE 20:15', 'www.example.org')


def write(folder, frames, masks):
    for name in ('frames', 'masks'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for t, (frame, mask) in enumerate(zip(frames, masks)):
        cv2.imwrite(str(folder / 'frames' / f'{t:05d}.png'), frame)
        cv2.imwrite(str(folder / 'masks' / f'{t:05d}.png'), mask)


def fitted(image, h, w):
    """The middle of a picture, h x w, with no pixel enlarged from nothing: smaller pictures are skipped."""
    scale = max(h / image.shape[0], w / image.shape[1])
    if scale > 1:
        return None
    size = max(w, round(image.shape[1] * scale)), max(h, round(image.shape[0] * scale))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    y, x = (image.shape[0] - h) // 2, (image.shape[1] - w) // 2
    return image[y:y + h, x:x + w]


def pictures(folder, random, h, w):
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for i in random.permutation(len(paths)):
        image = cv2.imread(str(paths[i]))
        image = None if image is None else fitted(image, h, w)
        # Neither blank nor blurred.
        if image is not None and cv2.Laplacian(image, cv2.CV_32F).std() > 8:
            yield image


def noisy(image, random, t):
    """As a camera would take it again: exposure off by up to 2 %, noise of two grey levels."""
    exposed = image * (1 + .02 * np.sin(t * .7))
    return np.clip(exposed + random.normal(0, 2, image.shape), 0, 255).round().astype(np.uint8)


def box(random, h, w):
    mask = np.zeros((h, w), np.uint8)
    bh, bw = int(h * random.uniform(.1, .2)), int(w * random.uniform(.15, .25))
    y = random.choice([8, h - bh - 8])
    x = random.choice([8, w - bw - 8])
    mask[y:y + bh, x:x + bw] = 255
    return mask


def text(random, h, w):
    """Letters with the outline that subtitles have, as drawn by hand: a little too thick."""
    mask = np.zeros((h, w), np.uint8)
    words, scale = WORDS[random.integers(len(WORDS))], h / 300
    (width, _), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    place = ((w - width) // 2, int(h * random.uniform(.82, .94)))
    cv2.putText(mask, words, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 7)
    return mask


def thing(folder, random, h, w):
    """An object's mask that covers 2 to 8 % of the frame."""
    paths = sorted(folder.rglob('*.png'))
    while True:
        mask = cv2.imread(str(paths[random.integers(len(paths))]), cv2.IMREAD_GRAYSCALE)
        mask = cv2.resize((mask > 0).astype(np.uint8) * 255, (w, h), interpolation=cv2.INTER_NEAREST)
        if .02 < (mask > 0).mean() < .08:
            return mask


def fixed(options, random, h, w):
    images = pictures(options.images, random, h, w)
    for i in range(options.fixed):
        image = next(images)
        kind = ('box', 'text', 'thing')[i % 3]
        mask = {'box': box, 'text': text}[kind](random, h, w) if kind != 'thing' else \
            thing(options.masks, random, h, w)
        frames = [noisy(image, random, t) for t in range(options.frames)]
        write(options.out / f'fixed-{kind}-{i:02d}', frames, [mask] * len(frames))


def pans(options, random, h, w):
    away = 2 * options.frames
    images = pictures(options.images, random, h, w + away)
    for i in range(options.pans):
        image = next(images)
        strip = np.zeros(image.shape[:2], np.uint8)
        x = int((w + away) * random.uniform(.35, .6))
        strip[:, x:x + w // 14] = 255
        frames, masks = [], []
        for t in range(options.frames):
            shift = np.float32([[1, 0, -1.3 * t], [0, 1, 0]])
            frames.append(noisy(cv2.warpAffine(image, shift, (w, h)), random, t))
            masks.append(cv2.warpAffine(strip, shift, (w, h), flags=cv2.INTER_NEAREST))
        write(options.out / f'pan-{i:02d}', frames, masks)


def clip(path, count, h, w):
    """The first frames of a clip: fewer where it ends, none where it is too small."""
    reader, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < count:
        ok, frame = reader.read()
        frame = fitted(frame, h, w) if ok else None
        if frame is None:
            break
        frames.append(frame)
    return frames


def texts(options, random, h, w):
    paths = sorted(path for path in options.clips.iterdir() if path.suffix == '.mp4')
    made = 0
    for i in random.permutation(len(paths)):
        if made == options.texts:
            break
        frames = clip(paths[i], options.frames, h, w)
        if len(frames) == options.frames:
            write(options.out / f'text-{made:02d}', frames, [text(random, h, w)] * len(frames))
            made += 1


def doubted(options, random, h, w):
    for name in options.doubted:
        frames = clip(options.clips / f'{name}.mp4', 24, h, w)
        if len(frames) < 24:
            raise SystemExit(f'expected 24 frames of at least {w} x {h} in {name}.mp4, got {len(frames)}')
        mask = thing(options.masks, random, h, w)
        dy, dx = random.uniform(-1.5, 1.5, 2)
        masks = [cv2.warpAffine(mask, np.float32([[1, 0, dx * t], [0, 1, dy * t]]), (w, h),
                                flags=cv2.INTER_NEAREST) for t in range(24)]
        write(options.out / f'doubted-{name}', frames, masks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    for name in ('images', 'clips', 'masks', 'out'):
        parser.add_argument(f'--{name}', required=True, type=pathlib.Path)
    for name, value in (('fixed', 24), ('pans', 4), ('texts', 4), ('frames', 8), ('height', 240), ('seed', 1)):
        parser.add_argument(f'--{name}', type=int, default=value)
    parser.add_argument('--doubted', nargs='*', default=[], metavar='NAME', help='clips, without .mp4')
    options = parser.parse_args()
    h, w = options.height, options.height * 4 // 3 // 16 * 16
    for i, make in enumerate((fixed, pans, texts, doubted)):
        make(options, np.random.default_rng([options.seed, i]), h, w)


if __name__ == '__main__':
    main()
