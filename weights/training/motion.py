"""Random transforms and camera paths, drawn on the host, and what is seen through them on the
device. Matrices are 3 x 3 and work on [-1, 1] x [-1, 1]; many at once have their axes in front.
"""
import numpy as np
import torch
import torch.nn.functional as F

import alignment


def affine(rng, strength=.925):
    """A random affine: by default the grid of the identity is off by 17 of 128 pixels."""
    angle = rng.normal(0, .17) * strength
    scale = np.exp(rng.normal(0, .14) * strength)
    stretch = np.exp(rng.normal(0, .08) * strength)
    shear = rng.normal(0, .09) * strength
    c, s = np.cos(angle), np.sin(angle)
    linear = np.array([[c, -s], [s, c]]) @ np.diag([scale * stretch, scale / stretch])
    matrix = np.eye(3)
    matrix[:2, :2] = linear @ np.array([[1, shear], [0, 1]])
    matrix[:2, 2] = rng.normal(0, .185, 2) * strength
    return matrix


def camera_path(rng, frames, speed, perspective):
    """A smooth path: (frames, 3, 3), the first the identity. Speed in widths of the half frame."""
    velocity = rng.normal(0, speed, 8)
    drift = rng.normal(0, speed / max(frames, 1), 8)
    weight = np.array([.4, .4, .4, .4, 1, 1, perspective, perspective])
    t = np.arange(frames)[:, None]
    p = ((velocity * t + drift * t * t / 2) * weight).T
    one = np.ones(frames)
    return np.stack([one + p[0], p[1], p[4], p[2] - p[1], one + p[3], p[5], p[6], p[7], one],
                    1).reshape(-1, 3, 3)


def crop(rng, low, high):
    """A random window of a square image, `low` to `high` of its side wide; every other one mirrored."""
    half = rng.uniform(low, high)
    x, y = rng.uniform(-1, 1, 2) * (1 - half)
    return np.array([[half * rng.choice([-1, 1]), 0, x], [0, half, y], [0, 0, 1]])


def view(images, matrices, size, padding='reflection'):
    """What cameras see: out(p) = image(matrix p). Images n c h w, matrices (n, f, 3, 3) on the host
    -> n f c size size. The frames of an image are read as one tall picture."""
    n, f = matrices.shape[:2]
    flat = torch.as_tensor(matrices, dtype=torch.float32, device=images.device).flatten(0, 1)
    _, _, u, v, _ = alignment.positions(flat, size, size)
    grid = torch.stack([u, v], -1).view(n, f * size, size, 2)
    seen = F.grid_sample(images, grid, padding_mode=padding, align_corners=False)
    return seen.unflatten(2, (f, size)).transpose(1, 2)


def displacement(matrices, h, w):
    """Where each pixel goes under homographies (n, 3, 3) on the device, less where it is: n 2 h w."""
    x, y, u, v, _ = alignment.positions(matrices, h, w)
    return torch.stack([(u - x) * (w / 2), (v - y) * (h / 2)], 1).unflatten(2, (h, w))
