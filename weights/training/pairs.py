"""Synthetic pairs for the homography: two views of one photograph, each with its own hole."""
import numpy as np
import torch

import holes
import motion
import photometry


def pair(rng, images, objects, size, share, hard):
    """-> target, reference (size, size, 3), their holes, theta (2, 3): target -> reference."""
    image = images[rng.integers(len(images))]
    if rng.random() < .5:
        image = image[:, ::-1]
    theta = motion.affine(rng)
    window = motion.crop(rng, image, rng.uniform(.55, .95))
    target = motion.view(image, window, size, size)
    # The reference shows at theta p what the target shows at p.
    reference = motion.view(image, window @ np.linalg.inv(theta), size, size)
    if hard:
        reference = photometry.expose(rng, reference)
        noise = max(rng.normal(0, 4), 0)
        quality = rng.integers(40, 95) if rng.random() < .3 else None
        target, reference = (photometry.record(rng, x, noise, quality) for x in (target, reference))
    masks = []
    for _ in range(2):
        if hard and objects and rng.random() < .4:
            other = objects[rng.integers(len(objects))]
            masks.append(holes.from_object(rng, other, size, size, 1)[0])
        else:
            covered = share * rng.uniform(0, 2) if hard else share
            masks.append(holes.irregular(rng, size, size, covered))
    return target, reference, masks[0], masks[1], theta[:2]


def batch(seed, step, images, objects, count, size=128, share=.2, hard=True):
    """The batch of a step, the same whenever it is asked for: five tensors, frames in [-1, 1]."""
    rng = np.random.default_rng([seed, step])
    drawn = zip(*(pair(rng, images, objects, size, share, hard) for _ in range(count)))
    target, reference, mt, mr, theta = (torch.from_numpy(np.stack(x)) for x in drawn)
    frames = (x.permute(0, 3, 1, 2).float() / 127.5 - 1 for x in (target, reference))
    return (*frames, mt.unsqueeze(1).float(), mr.unsqueeze(1).float(), theta.float())
