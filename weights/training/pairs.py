"""Synthetic pairs for the homography: two views of one photograph, each with its own hole."""
import numpy as np
import torch

import holes
import motion
import photometry


def batch(seed, step, media, count, size=128, share=.2, hard=True):
    """The batch of a step, the same whenever it is asked for: target, reference, their holes, theta
    (n, 2, 3) from target to reference; frames in [-1, 1]."""
    rng = np.random.default_rng([seed, step])
    device = media.photographs.frames.device
    which = rng.integers(len(media.photographs), size=count)
    theta = np.stack([motion.affine(rng) for _ in range(count)])
    window = np.stack([motion.crop(rng, .55, .95) for _ in range(count)])
    # The reference shows at theta p what the target shows at p.
    views = np.stack([window, window @ np.linalg.inv(theta)], 1)
    photographs = media.photographs.at(which, np.zeros((count, 1), int))[:, 0]
    frames = motion.view(photographs, views, size)
    if hard:
        unexposed = np.stack([np.ones(3), np.zeros(3)])
        frames = photometry.expose(frames, np.stack(
            [(unexposed, photometry.setting(rng)) for _ in range(count)]))
        frames = photometry.record(rng, frames, 4)
    covered = share * rng.uniform(0, 2, 2 * count) if hard else np.full(2 * count, share)
    masks = holes.irregular(rng, covered, size, device)
    if hard:
        objects = holes.of_objects(rng, media.masks, np.zeros((2 * count, 1), int), size)[:, 0]
        asked = torch.as_tensor(rng.random(2 * count) < .4, device=device)
        masks = torch.where(asked.view(-1, 1, 1, 1), objects, masks)
    target, reference = photometry.signed(frames).unbind(1)
    return target, reference, *masks.chunk(2), torch.as_tensor(
        theta[:, :2], dtype=torch.float32, device=device)
