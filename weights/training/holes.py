"""Masks of what is to be removed, on the device: 1 inside the hole."""
import numpy as np
import torch

import motion

SHAPES, POINTS = 12, 7                # of a mask, at most; of a stroke


def shapes(rng, count):
    """Strokes and ellipses (count, SHAPES), lengths in widths of the frame."""
    many = (count, SHAPES)
    steps = rng.uniform(.05, .25, (*many, POINTS))
    steps *= np.arange(POINTS) < rng.integers(2, POINTS + 1, many)[..., None]
    turns = rng.uniform(0, 2 * np.pi, many)[..., None] + rng.normal(0, .8, steps.shape).cumsum(2)
    path = np.stack([np.cos(turns), np.sin(turns)], -1) * steps[..., None]
    path[:, :, 0] = rng.uniform(0, 1, (*many, 2))
    angle = rng.uniform(0, np.pi, many)
    return dict(points=path.cumsum(2), radius=rng.uniform(1 / 48, 1 / 16, many),
                ellipse=rng.random(many) < .3, axes=rng.uniform(.05, .2, (*many, 2)),
                direction=np.stack([np.cos(angle), np.sin(angle)], -1))


def irregular(rng, shares, size, device):
    """Strokes and blobs until at least a share of each frame is covered -> n 1 size size."""
    drawn = {name: torch.as_tensor(value, device=device) for name, value in
             shapes(rng, len(shares)).items()}
    points, radius, axes, way = (drawn[name].float()[..., None] for name in
                                 ('points', 'radius', 'axes', 'direction'))
    axis = (torch.arange(size, device=device) + .5) / size
    y, x = (v.flatten() for v in torch.meshgrid(axis, axis, indexing='ij'))
    nearest = None                                        # squares of distances (n, SHAPES, pixels)
    for i in range(POINTS - 1):
        a, b = points[:, :, i], points[:, :, i + 1]
        (ax, ay), (dx, dy) = a.unbind(2), (b - a).unbind(2)
        along = ((x - ax) * dx + (y - ay) * dy) / (dx ** 2 + dy ** 2).clamp(min=1e-9)
        along = along.clamp(0, 1)
        square = (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2
        nearest = square if nearest is None else torch.minimum(nearest, square)
    (cx, cy), (c, s), (p, q) = points[:, :, 0].unbind(2), way.unbind(2), axes.unbind(2)
    blob = ((c * (x - cx) + s * (y - cy)) / p) ** 2 + ((c * (y - cy) - s * (x - cx)) / q) ** 2 < 1
    each = torch.where(drawn['ellipse'][..., None], blob, nearest < radius ** 2)
    union = each.float().cumsum(1).clamp(max=1)           # of the first shape, of the first two, ...
    least = torch.as_tensor(shares, device=device)[:, None]
    enough = (union.mean(2) < least).sum(1).clamp(max=SHAPES - 1)
    picked = union.gather(1, enough[:, None, None].expand(-1, 1, size * size))
    return picked.unflatten(2, (size, size))


def placed(rng):
    """Where an object's mask goes: larger or smaller, mirrored, anywhere."""
    matrix = np.eye(3)
    matrix[:2, :2] *= np.exp(rng.uniform(-.4, .4))
    matrix[0, 0] *= rng.choice([-1, 1])
    matrix[:2, 2] = rng.uniform(-.5, .5, 2)
    return matrix


def of_objects(rng, masks, times, size):
    """Objects' mask sequences, stretched to the frame and placed at random, at times (n, f)
    -> n f 1 size size."""
    n, f = times.shape
    which = rng.integers(len(masks), size=n)
    first = rng.integers(np.maximum(masks.lengths[which] - times.max(1), 1))
    matrices = np.stack([placed(rng) for _ in range(n)]).repeat(f, 0)[:, None]
    drawn = masks.at(which, first[:, None] + times).flatten(0, 1)
    return (motion.view(drawn, matrices, size, 'zeros') > .5).float().view(n, f, 1, size, size)


def sequences(rng, masks, times, size, still=.3):
    """A hole for every frame: an object's sequence, or strokes that stand still or drift."""
    n, f = times.shape
    device = masks.frames.device
    objects = of_objects(rng, masks, times, size)
    strokes = irregular(rng, rng.uniform(.04, .25, n), size, device)
    step = rng.normal(0, .03 * size, (n, 1, 2)) * (rng.random((n, 1, 1)) >= still)
    shift = torch.as_tensor(np.round(step * times[..., None]).astype(int), device=device)
    at = torch.arange(size, device=device)
    rows, columns = ((at - shift[..., k:k + 1]) % size for k in (0, 1))          # n f size
    which = torch.arange(n, device=device).view(-1, 1, 1, 1)
    drift = strokes[:, 0][which, rows[..., :, None], columns[..., None, :]].unsqueeze(2)
    share = objects.mean((1, 2, 3, 4))
    asked = torch.as_tensor(rng.random(n) < .6, device=device) & (share > .01) & (share < .45)
    return torch.where(asked.view(-1, 1, 1, 1, 1), objects, drift)
