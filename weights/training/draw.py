"""Draws a tiny data set, for the smoke training: pictures of shapes, clips that pan over them.

    python3 weights/training/draw.py FOLDER
"""
import pathlib
import sys

import cv2
import numpy as np


def picture(rng, size=160):
    """Ellipses of all sizes on a gradient."""
    ramp = np.linspace(0, 1, size)[:, None, None]
    canvas = rng.uniform(40, 215, 3) * ramp + rng.uniform(40, 215, 3) * (1 - ramp)
    canvas = np.ascontiguousarray(np.broadcast_to(canvas, (size, size, 3))).astype(np.uint8)
    for radius in np.sort(rng.uniform(2, 30, 60))[::-1]:
        centre = tuple(int(x) for x in rng.integers(0, size, 2))
        axes = (int(radius), int(radius * rng.uniform(.3, 1)))
        colour = tuple(float(x) for x in rng.uniform(0, 255, 3))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    return canvas


def clip(path, rng, frames=24, size=96):
    image = picture(rng, 160)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (size, size))
    assert video.isOpened(), f'cannot write {path}'
    for t in range(frames):
        video.write(np.ascontiguousarray(image[t:t + size, 2 * t:2 * t + size]))
    video.release()


def mask(path, frames=24, size=96):
    path.mkdir()
    for t in range(frames):
        frame = np.zeros((size, size), np.uint8)
        cv2.circle(frame, (20 + 2 * t, 48), 14, 255, -1)
        cv2.imwrite(str(path / f'{t:05d}.png'), frame)


def main():
    folder, rng = pathlib.Path(sys.argv[1]), np.random.default_rng(1)
    images, clips, masks = (folder / name for name in ('images', 'clips', 'masks'))
    for made in (images, clips, masks):
        made.mkdir(parents=True)
    for i in range(40):
        cv2.imwrite(str(images / f'{i}.png'), picture(rng))
        clip(clips / f'{i}.mp4', rng)
        mask(masks / str(i))


if __name__ == '__main__':
    main()
