"""Clips for the inpainter: targets that follow one another, references, holes, and the flow.

Synthetic clips are photographs as layers. The camera moves over all of them, faster over the near
ones (parallax), and some move by themselves, so that no single transform relates two frames.
"""
import dataclasses

import cv2
import numpy as np
import torch

import holes
import motion
import photometry

SPAN = 64                             # frames of a synthetic clip, of which only some are drawn


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
    """Indices of consecutive targets and of their references: near ones, and ones every few frames."""
    first = int(rng.integers(length - targets + 1))
    times = np.arange(first, first + targets)
    if references == 0:               # a still: its only reference is itself
        return times, times[:1]
    reach = np.arange(max(first - 5, 0), min(first + targets + 5, length))
    stride = int(rng.integers(4, 11))
    grid = np.arange(int(rng.integers(stride)), length, stride)
    near = rng.permutation(reach)[:references // 2]
    # Frames are repeated where a clip is too short.
    return times, np.concatenate([near, np.resize(rng.permutation(grid), references - len(near))])


def window(rng, image):
    """A square window of an image that leaves the camera room to move."""
    return motion.crop(rng, image, rng.uniform(.45, .8))


class Layer:
    """A photograph on a plane, as seen through a moving camera; cut out by a mask sequence."""

    def __init__(self, rng, image, path, shape=None):
        self.image = image[:, ::-1] if rng.random() < .5 else image
        self.path = window(rng, image) @ path
        self.shape = shape

    def draw(self, at, size):
        """-> colours, and the share of each pixel that is covered."""
        colours = motion.view(self.image, self.path[at], size, size)
        if self.shape is None:
            return colours, np.ones((size, size, 1), np.float32)
        return colours, self.shape(at, size)

    def flow(self, at, size):
        """Where each pixel of frame `at` was one frame earlier, less where it is."""
        to_pixels = motion.to_pixels(size, size)
        back = to_pixels @ np.linalg.inv(self.path[at - 1]) @ self.path[at]
        back = back @ np.linalg.inv(to_pixels)
        x, y = np.meshgrid(np.arange(size), np.arange(size))
        place = np.stack([x, y, np.ones_like(x)], -1) @ back.T
        return (place[..., :2] / place[..., 2:] - np.stack([x, y], -1)).astype(np.float32)


def cut_out(rng, objects, path, size):
    """A shape that moves with its layer: an object's mask sequence, or strokes."""
    if objects and rng.random() < .7:
        sequence = objects[rng.integers(len(objects))]
    else:
        sequence = holes.irregular(rng, size, size, rng.uniform(.05, .2))[None]
    place = np.eye(3)
    place[:2, :2] *= np.exp(rng.uniform(-.2, .7))
    place[:2, 2] = rng.uniform(-.5, .5, 2)
    start = np.linalg.inv(path[SPAN // 2])

    def shape(at, size):
        mask = sequence[min(at, len(sequence) - 1)] * np.float32(1)
        h, w = mask.shape
        pixels = motion.to_pixels(w, h) @ place @ start @ path[at]
        pixels = pixels @ np.linalg.inv(motion.to_pixels(size, size))
        return cv2.warpPerspective(mask, pixels, (size, size),
                                   flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)[..., None]
    return shape


def scene(rng, images, objects, size):
    """Layers from far to near: a background, planes before it, objects that go their own way."""
    speed = 0 if rng.random() < .2 else np.exp(rng.uniform(np.log(.001), np.log(.012)))
    camera = motion.camera_path(rng, SPAN, speed, rng.choice([0, .15]))

    def photograph():
        return images[rng.integers(len(images))]

    layers = [Layer(rng, photograph(), camera)]
    for depth in np.sort(rng.uniform(1.2, 2.5, rng.integers(3))):
        path = camera.copy()
        path[:, :2, 2] *= depth
        layers.append(Layer(rng, photograph(), path, cut_out(rng, objects, path, size)))
    for _ in range(rng.integers(3)):
        own = camera @ motion.camera_path(rng, SPAN, rng.uniform(.002, .02), 0)
        layers.append(Layer(rng, photograph(), own, cut_out(rng, objects, own, size)))
    return layers


def synthetic(rng, images, objects, size, targets, references):
    layers = scene(rng, images, objects, size)
    times, around = schedule(rng, SPAN, targets, references)
    exposure = photometry.drift(rng, SPAN) if rng.random() < .5 else None
    noise = max(rng.normal(0, 3), 0)
    quality = rng.integers(40, 95) if rng.random() < .3 else None

    def draw(at):
        frame = np.zeros((size, size, 3), np.float32)
        for layer in layers:
            colours, cover = layer.draw(at, size)
            frame += cover * (colours - frame)
        frame = frame.astype(np.uint8)
        if exposure is not None:
            frame = cv2.LUT(frame, exposure[at])
        return photometry.record(rng, frame, noise, quality)

    def flow(at):
        found = np.zeros((size, size, 2), np.float32)
        for layer in layers if at > 0 else ():
            nearest = layer.draw(at, size)[1] > .5
            found = np.where(nearest, layer.flow(at, size), found)
        return found

    frames, borrowed = ([draw(at) for at in when] for when in (times, around))
    flows = [flow(at) if i else np.zeros((size, size, 2), np.float32)
             for i, at in enumerate(times)]
    return frames, borrowed, flows, times, around, SPAN


def real(rng, clips, size, targets, references):
    """A window of a clip, forwards or backwards; its flow is what DIS finds."""
    enough = [clip for clip in clips if len(clip) >= targets]
    clip = enough[rng.integers(len(enough))][::int(rng.choice([-1, 1]))]
    times, around = schedule(rng, len(clip), targets, references)
    h, w = clip.shape[1:3]
    side = int(rng.uniform(min(size / min(h, w), 1), 1) * min(h, w))
    y, x = int(rng.integers(h - side + 1)), int(rng.integers(w - side + 1))
    turn = int(rng.choice([-1, 1]))

    def draw(at):
        frame = np.ascontiguousarray(clip[at, y:y + side, x:x + side][:, ::turn])
        return cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA)

    frames, borrowed = ([draw(at) for at in when] for when in (times, around))
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flows = [np.zeros((size, size, 2), np.float32)]
    flows += [estimator.calc(b, a, None) for a, b in zip(grey[:-1], grey[1:])]
    return frames, borrowed, flows, times, around, len(clip)


def clip(rng, sources, size, targets, references):
    """One clip of either kind with its holes, as arrays in the order of `Clips`.

    A reference lends nothing to a target that it is itself. In some clips none lends anything, or
    the network would hardly ever have to make up what is nowhere to be seen.
    """
    images, clips, objects = sources
    if references and clips and rng.random() < .7:
        drawn = real(rng, clips, size, targets, references)
    else:
        drawn = synthetic(rng, images, objects, size, targets, references)
    frames, borrowed, flows, times, around, length = drawn
    mask = holes.sequence(rng, objects, size, size, length)
    withheld = (times[:, None] == around) | (rng.random() < .2)
    alone = np.float32(references > 0 and rng.random() < .25)
    return (np.stack(frames), mask[times], np.stack(borrowed), mask[around], withheld, alone,
            np.stack(flows))


def batch(seed, step, sources, count, size, targets, references):
    """The clips of a step, the same whenever they are asked for."""
    rng = np.random.default_rng([seed, step])
    drawn = zip(*(clip(rng, sources, size, targets, references) for _ in range(count)))
    frames, masks, borrowed, hidden, withheld, alone, flow = (
        torch.from_numpy(np.stack(x)) for x in drawn)
    frames, borrowed = (x.permute(0, 1, 4, 2, 3).float() / 127.5 - 1 for x in (frames, borrowed))
    return Clips(frames, masks.unsqueeze(2).float(), borrowed, hidden.unsqueeze(2).float(),
                 withheld, alone, flow.permute(0, 1, 4, 2, 3))
