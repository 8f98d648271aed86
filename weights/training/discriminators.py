"""Patch discriminators as in vid2vid: two scales, least squares, feature matching.

The image discriminator sees a frame and its mask; the video discriminator three frames, their
masks, and the flows between them.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class Patches(nn.Module):
    """Strided convolutions to one judgement a patch; keeps what every layer saw.

    Sizes stay even and the judgement is a matrix product: in bfloat16, odd sizes and a single
    output channel took as long as all the rest of the training.
    """

    def __init__(self, channels, width):
        super().__init__()
        sizes = [channels, width, 2 * width, 4 * width]
        self.layers = nn.ModuleList([nn.Conv2d(i, o, 4, 2, 1) for i, o in zip(sizes, sizes[1:])])
        self.layers.append(nn.Conv2d(4 * width, 8 * width, 3, 1, 1))
        self.judge = nn.Linear(8 * width, 1)

    def forward(self, x):
        visibility = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i > 0:                                     # statistics need float32
                x = F.instance_norm(x.float())
            x = F.leaky_relu(x, .2)
            visibility.append(x)
        return self.judge(x.permute(0, 2, 3, 1)), visibility


class Discriminator(nn.Module):
    def __init__(self, channels, width=32, scales=2):
        super().__init__()
        self.scales = nn.ModuleList([Patches(channels, width) for _ in range(scales)])

    def forward(self, x):
        found = []
        for scale in self.scales:
            found.append(scale(x.contiguous(memory_format=torch.channels_last)))
            x = F.avg_pool2d(x, 2)
        return found


def image():
    return Discriminator(3 + 1)


def video(frames=3):
    return Discriminator(4 * frames + 2 * (frames - 1))


def at_hole(judged, hole, wanted):
    """Mean squared distance of judgements n h w 1 from what is wanted, where patches touch the hole."""
    touched = F.adaptive_max_pool2d(hole, judged.shape[1:3]).permute(0, 2, 3, 1)
    off = (judged.float() - wanted).square()
    return (off * touched).sum() / touched.sum().clamp(min=1)


def loss(discriminator, real, fake, hole):
    """What the discriminator itself is trained on. All of the truth is real; what was made is only
    the hole (n, 1, h, w)."""
    total = 0
    for (truth, _), (made, _) in zip(discriminator(real), discriminator(fake)):
        total = total + (truth.float() - 1).square().mean() + at_hole(made, hole, 0)
    return total / (2 * len(discriminator.scales))


def fool(discriminator, real, fake, hole, matching=10.0):
    """What it asks of the network: to pass for real, and to look alike at every layer."""
    with torch.no_grad():
        truths = discriminator(real)
    total = 0
    for (_, truth), (made, layers) in zip(truths, discriminator(fake)):
        alike = sum((a.float() - b.float()).abs().mean() for a, b in zip(layers, truth))
        total = total + at_hole(made, hole, 1) + matching * alike / len(layers)
    return total / len(discriminator.scales)
