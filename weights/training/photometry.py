"""What cameras and files do to frames: exposure, noise, compression. Frames are (n, f, 3, h, w) in
levels of 0 to 255, on the device; n clips or pairs differ in what is done to them."""
import numpy as np
import torch

import blocks


def setting(rng, strength=1.0):
    """Gain and lift per channel (2, 3)."""
    gain = 1 + rng.normal(0, .08) * strength + rng.normal(0, .02, 3) * strength
    return np.stack([gain, np.full(3, rng.normal(0, 6) * strength)])


def drift(rng, times, frames):
    """Of one clip at some times (f): settings (f, 2, 3) that go evenly from one to another, in every
    other clip."""
    strength = rng.random() < .5
    first, last = setting(rng, strength), setting(rng, strength)
    return first + (last - first) * (times / frames)[:, None, None]


def expose(frames, settings):
    """Settings (n, f, 2, 3) on the host."""
    gain, lift = torch.as_tensor(settings, dtype=torch.float32,
                                 device=frames.device)[..., None, None].unbind(2)
    return frames * gain + lift


def levels(frames):
    """As they are written down: whole levels."""
    return frames.clamp(0, 255).floor()


def record(rng, frames, sigma):
    """Noise of up to about `sigma` levels, and in three of ten the losses of JPEG."""
    n, device = len(frames), frames.device
    random = torch.Generator(device).manual_seed(int(rng.integers(2 ** 62)))
    noise = torch.as_tensor(np.maximum(rng.normal(0, sigma, n), 0), dtype=torch.float32,
                            device=device).view(-1, 1, 1, 1, 1)
    grain = torch.randn(frames.shape, generator=random, device=device)
    frames = levels(levels(frames) + noise * grain)
    lossy = np.flatnonzero(rng.random(n) < .3)
    if len(lossy):
        # From about a quality of 95 to one of 40.
        coarse = torch.as_tensor(rng.uniform(.1, 1.2, (len(lossy), 1)), dtype=torch.float32,
                                 device=device).expand(-1, frames.shape[1]).flatten()
        steps = blocks.steps(10, 6, device) * coarse.view(-1, 1, 1, 1)
        which = torch.as_tensor(lossy, device=device)
        kept = (blocks.coefficients(frames[which].flatten(0, 1)) / steps).round() * steps
        frames[which] = levels(blocks.frames(kept, *frames.shape[-2:]) + .5).unflatten(
            0, (len(lossy), -1))
    return frames


def signed(frames):
    """Levels -> [-1, 1], as the network takes them."""
    return frames / 127.5 - 1
