"""Clips for the inpainter: targets that follow one another, references, holes, and the flow. Drawn
on the host, made on the device.

Synthetic clips are photographs as layers. The camera moves over all of them, faster over the near
ones (parallax), and some move by themselves, so that no single transform relates two frames.
"""
import dataclasses

import numpy as np
import torch

import alignment
import holes
import motion
import photometry

SPAN = 64                             # frames of a synthetic clip, of which only some are drawn
LAYERS = 5                            # a background, two planes before it, two objects


@dataclasses.dataclass
class Clips:
    """n clips of t targets and r references; frames in [-1, 1], holes 1 inside."""
    frames: torch.Tensor              # n t 3 h w
    masks: torch.Tensor               # n t 1 h w
    references: torch.Tensor          # n r 3 h w
    reference_masks: torch.Tensor     # n r 1 h w
    withheld: torch.Tensor            # n t r: the reference lends this target nothing
    alone: torch.Tensor               # n: nothing is to be aligned
    flow: torch.Tensor                # n t 2 h w in pixels: from a target to the one before it


def schedule(rng, length, targets, references):
    """Indices of consecutive targets, and of their references: near ones, and ones every few frames."""
    first = int(rng.integers(length - targets + 1))
    times = np.arange(first, first + targets)
    if references == 0:               # a still: its only reference is itself
        return np.append(times, times[0])
    reach = np.arange(max(first - 5, 0), min(first + targets + 5, length))
    stride = int(rng.integers(4, 11))
    grid = np.arange(int(rng.integers(stride)), length, stride)
    near = rng.permutation(reach)[:references // 2]
    # Frames are repeated where a clip is too short.
    return np.concatenate([times, near, np.resize(rng.permutation(grid), references - len(near))])


def paths(rng):
    """Of every layer, its camera's path (LAYERS, SPAN, 3, 3), and which layers there are."""
    speed = 0 if rng.random() < .2 else np.exp(rng.uniform(np.log(.001), np.log(.012)))
    camera = motion.camera_path(rng, SPAN, speed, rng.choice([0, .15]))
    made = np.stack([camera] * LAYERS)
    for layer, depth in enumerate(np.sort(rng.uniform(1.2, 2.5, 2)), 1):
        made[layer, :, :2, 2] *= depth
    for layer in (3, 4):
        made[layer] = camera @ motion.camera_path(rng, SPAN, rng.uniform(.002, .02), 0)
    planes, objects = rng.integers(3, size=2)
    return made, np.array([True, planes > 1, planes > 0, objects > 0, objects > 1])


def cut_outs(rng, masks, path, times, size):
    """Shapes that move with their layer: objects' mask sequences, or strokes. Paths (n, SPAN, 3, 3)
    -> n f 1 size size, the share of each pixel that is covered."""
    n, f = times.shape
    shapes = masks.at(rng.integers(len(masks), size=n), times)
    strokes = holes.irregular(rng, rng.uniform(.05, .2, n), shapes.shape[-1], shapes.device)
    asked = torch.as_tensor(rng.random(n) < .7, device=shapes.device).view(-1, 1, 1, 1, 1)
    shapes = torch.where(asked, shapes, strokes[:, None])
    place = np.zeros((n, 3, 3))
    place[:, (0, 1), (0, 1)] = np.exp(rng.uniform(-.2, .7, (n, 1)))
    place[:, :2, 2], place[:, 2, 2] = rng.uniform(-.5, .5, (n, 2)), 1
    start = np.linalg.inv(path[:, SPAN // 2])
    matrices = (place @ start)[:, None] @ along(path, times)
    return motion.view(shapes.flatten(0, 1), matrices.reshape(n * f, 1, 3, 3), size,
                       'zeros').view(n, f, 1, size, size)


def along(path, times):
    """The matrices of paths (n, SPAN, 3, 3) at times (n, f)."""
    return np.take_along_axis(path, times[..., None, None], 1)


def synthetic(rng, media, n, size, targets, references):
    """-> frames n f 3 h w in levels, flow of the targets n t 2 h w, times (n, f)."""
    device = media.photographs.frames.device
    times = np.stack([schedule(rng, SPAN, targets, references) for _ in range(n)])
    drawn, there = (np.stack(x) for x in zip(*(paths(rng) for _ in range(n))))
    # As sharp as the photograph is, where it has as many pixels.
    least = min(size / media.photographs.frames.shape[-1], .8)
    now, before = times[:, 1:targets], times[:, 1:targets] - 1
    frames, flow = None, None
    for layer, path in enumerate(drawn.swapaxes(0, 1)):
        which = rng.integers(len(media.photographs), size=n)
        window = np.stack([motion.crop(rng, max(least, .45), max(least + .1, .9))
                           for _ in range(n)])
        photographs = media.photographs.at(which, np.zeros((n, 1), int))[:, 0]
        colours = motion.view(photographs, window[:, None] @ along(path, times), size)
        back = np.linalg.inv(along(path, before)) @ along(path, now)
        moved = motion.displacement(torch.as_tensor(
            back.reshape(-1, 3, 3), dtype=torch.float32, device=device), size, size)
        moved = moved.unflatten(0, now.shape)
        if layer == 0:
            frames, flow = colours, moved
            continue
        cover = cut_outs(rng, media.masks, path, times, size)
        cover = cover * torch.as_tensor(there[:, layer], device=device).view(-1, 1, 1, 1, 1)
        frames = frames + cover * (colours - frames)
        flow = torch.where(cover[:, 1:targets] > .5, moved, flow)
    exposure = np.stack([photometry.drift(rng, when, SPAN) for when in times])
    return photometry.record(rng, photometry.expose(frames, exposure), 3), flow, times


def real(rng, media, n, size, targets, references):
    """As `synthetic`: windows of clips, forwards or backwards; the flow is that of the camera."""
    which = rng.choice(np.flatnonzero(media.clips.lengths >= targets), n)
    lengths = media.clips.lengths[which]
    times = np.stack([schedule(rng, length, targets, references) for length in lengths])
    backwards = rng.random((n, 1)) < .5
    drawn = media.clips.at(which, np.where(backwards, lengths[:, None] - 1 - times, times))
    least = min(size / media.clips.frames.shape[-1], 1)
    window = np.stack([motion.crop(rng, least, 1) for _ in range(n)]).repeat(times.shape[1], 0)
    frames = motion.view(drawn.flatten(0, 1), window[:, None], size).view(
        *times.shape, 3, size, size)
    return frames, camera_flow(photometry.signed(frames[:, :targets])), times


def camera_flow(frames):
    """From each frame to the one before it, by one homography each; what it is wrong about, shows
    (`objectives.occlusion`). n t 3 h w -> n t-1 2 h w."""
    n, t, _, size, _ = frames.shape
    if t == 1:
        return frames.new_zeros(n, 0, 2, size, size)

    def levels(some):
        some = some.flatten(0, 1)
        return alignment.levels(some, torch.zeros_like(some[:, :1]))
    start = alignment.identity(n * (t - 1), frames.device)
    found = alignment.refine(start, levels(frames[:, 1:]), levels(frames[:, :-1]))
    return motion.displacement(found, size, size).unflatten(0, (n, t - 1))


def batch(seed, step, media, count, size, targets, references):
    """The clips of a step, the same whenever they are asked for.

    A reference lends nothing to a target that it is itself. In some clips none lends anything, or
    the network would hardly ever have to make up what is nowhere to be seen.
    """
    rng = np.random.default_rng([seed, step])
    device = media.photographs.frames.device
    enough = references > 0 and (media.clips.lengths >= targets).any()
    of_clips = int((rng.random(count) < .7).sum()) if enough else 0
    made = [make(rng, media, n, size, targets, references)
            for make, n in ((real, of_clips), (synthetic, count - of_clips)) if n]
    frames, flow = (torch.cat(x) for x in list(zip(*made))[:2])
    times = np.concatenate([x[2] for x in made])
    masks = holes.sequences(rng, media.masks, times, size)
    same = times[:, :targets, None] == times[:, None, targets:]
    withheld = same | (rng.random((count, 1, 1)) < .2)
    alone = (rng.random(count) < .25) * (references > 0)
    frames = photometry.signed(frames)
    return Clips(frames[:, :targets], masks[:, :targets], frames[:, targets:], masks[:, targets:],
                 torch.as_tensor(withheld, device=device),
                 torch.as_tensor(alone, dtype=torch.float32, device=device),
                 torch.cat([torch.zeros_like(masks[:, :1].expand(-1, -1, 2, -1, -1)), flow], 1))
