"""Masks of what is to be removed: uint8, 1 inside the hole."""
import cv2
import numpy as np


def irregular(rng, width, height, share):
    """Strokes and blobs until at least `share` of the frame is covered."""
    mask = np.zeros((height, width), np.uint8)
    while mask.mean() < share:
        if rng.random() < .3:
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            axes = tuple(int(a) for a in rng.integers(width // 20 + 1, width // 5 + 2, 2))
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
            continue
        point = rng.uniform(0, 1, 2) * (width, height)
        angle, points = rng.uniform(0, 2 * np.pi), []
        for _ in range(int(rng.integers(2, 7))):
            points.append(point.astype(np.int32))
            angle += rng.normal(0, .8)
            step = rng.uniform(.05, .25) * width
            point = point + step * np.array([np.cos(angle), np.sin(angle)])
        thickness = int(rng.integers(width // 24 + 2, width // 8 + 3))
        cv2.polylines(mask, [np.stack(points)], False, 1, thickness)
    return mask


def from_object(rng, sequence, width, height, frames):
    """Frames of an object's mask sequence, stretched to the frame, placed at random."""
    start = int(rng.integers(max(len(sequence) - frames, 0) + 1))
    order = [min(start + t, len(sequence) - 1) for t in range(frames)]
    matrix = np.eye(3)
    matrix[:2, :2] *= np.exp(rng.uniform(-.4, .4))
    matrix[0, 0] *= rng.choice([-1, 1])
    matrix[:2, 2] = rng.uniform(-.5, .5, 2)
    h, w = sequence.shape[1:]
    scale = np.diag([w / width, h / height, 1]).astype(np.float64)
    centre = np.array([[2 / w, 0, -1], [0, 2 / h, -1], [0, 0, 1.]])
    pixels = np.linalg.inv(centre) @ matrix @ centre @ scale
    return np.stack([cv2.warpPerspective(sequence[i], pixels, (width, height),
                                         flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
                     for i in order])


def sequence(rng, objects, width, height, frames, still=.3):
    """A hole for every frame: an object's sequence, or strokes that stand still or drift."""
    if objects and rng.random() < .6:
        mask = from_object(rng, objects[rng.integers(len(objects))], width, height, frames)
        if .01 < mask.mean() < .45:
            return mask
    shape = irregular(rng, width, height, rng.uniform(.04, .25))
    step = np.zeros(2) if rng.random() < still else rng.normal(0, .03 * width, 2)
    return np.stack([np.roll(shape, tuple(np.round(step * t).astype(int)), (1, 0))
                     for t in range(frames)])
