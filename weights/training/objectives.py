"""The objectives of the inpainter, each with its weight; a weight of zero costs nothing.

Frames are n c h w in [-1, 1], holes 1 inside, flow in pixels from a frame to the one before it.
"""
import dataclasses

import torch
import torch.nn.functional as F

import alignment
import discriminators
from model import warp


@dataclasses.dataclass
class Weights:
    hole: float = 5.0
    valid: float = 1.0
    gradient: float = 2.0
    detail: float = 1.0
    harm: float = 20.0
    attention: float = 1.0
    coarse: float = 10.0
    flow: float = .02
    warping: float = 1.0
    image_gan: float = .05
    video_gan: float = .05


def mean(x, where):
    """Mean of x over the pixels that `where` (one channel, 0 to 1) picks."""
    return (x * where).sum() / (where.sum() * x.shape[1]).clamp(min=1)


def l1(output, truth, where):
    return mean((output - truth).abs(), where)


def gradients(x):
    """Differences of neighbours to the right and below, zero at the border."""
    right = F.pad(x[..., 1:] - x[..., :-1], (0, 1, 0, 0))
    below = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    return torch.cat([right, below], 1)


def occlusion(truth, before, flow):
    """exp(-50 |X[t] - warp(X[t-1])|^2), of colours in [0, 1]: low where nothing corresponds."""
    off = (truth - warp(before, flow)) / 2
    return torch.exp(-50 * off.square().sum(1, keepdim=True))


def energy(x):
    """How much fine detail is around each pixel, wherever exactly it lies: at two scales."""
    for _ in range(2):
        fine = x - F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        local = F.avg_pool2d(fine.square(), 9, 1, 4, count_include_pad=False)
        yield (local + 1e-4).sqrt()
        x = F.avg_pool2d(x, 2)


@alignment.precise
def frame_terms(output, raw, truth, mask, coarse, known):
    """Of one target by itself; the raw output answers for its own, or the blend would hide it.

    `detail` is what L1 alone does not ask for: blur is its best guess of fine patterns. `harm` is
    what is further from the truth than the coarse frame was, where that was to be trusted.
    """
    both = ((output, .5), (raw, .5))
    worse = [F.relu((y - truth).abs() - (coarse - truth).abs().detach()) for y, _ in both]
    scales = zip(energy(output), energy(truth), (mask, F.avg_pool2d(mask, 2)))
    return {
        'hole': sum(w * l1(y, truth, mask) for y, w in both),
        'valid': sum(w * l1(y, truth, 1 - mask) for y, w in both),
        'gradient': sum(w * l1(gradients(y), gradients(truth), mask) for y, w in both),
        'detail': sum(l1(a, b, where) for a, b, where in scales),
        'harm': mean(sum(worse) / 2, mask * known.detach()),
    }


@alignment.precise
def coarse_terms(colours, wanted, filled, truth, mask):
    """What was attended to, mean colours of cells where they are wanted, and the coarse frame."""
    return {
        'attention': l1(colours, F.avg_pool2d(truth, 4), wanted),
        'coarse': mean((filled - truth).square(), mask),
    }


@alignment.precise
def motion_terms(output, truth, before, mask, moved, flow):
    """Of a target and the one before it: `moved` is the network's flow, `flow` the known one, which
    counts where the two frames agree under it."""
    weight = occlusion(truth, before, flow)
    return {
        'flow': l1(moved.float(), flow, weight),
        'warping': l1(output, warp(before, flow), weight * mask),
    }


def sequences(frames, masks, flows):
    """The video discriminator's input: lists of three frames, their masks, two flows."""
    return torch.cat([*frames, *masks, *(f / 16 for f in flows)], 1)


class Adversaries:
    """The two discriminators and their optimizer."""

    def __init__(self, weights, rate, device):
        self.parts = torch.nn.ModuleDict({
            name: part for name, part, weight in (
                ('image', discriminators.image(), weights.image_gan),
                ('video', discriminators.video(), weights.video_gan)) if weight})
        self.parts.to(device, memory_format=torch.channels_last)
        parameters = list(self.parts.parameters())
        self.optimizer = torch.optim.Adam(parameters, rate, (.5, .999)) if parameters else None

    def inputs(self, clips, wholes, t):
        """Of target t, real, made and the hole, per discriminator; frames before it as they came
        out."""
        found = {}
        mask = clips.masks[:, t]
        if 'image' in self.parts:
            found['image'] = [torch.cat([x, mask], 1) for x in (clips.frames[:, t], wholes[t])]
            found['image'].append(mask)
        if 'video' in self.parts and t >= 2:
            three = range(t - 2, t + 1)
            masks, flows = ([x[:, i] for i in when] for x, when in (
                (clips.masks, three), (clips.flow, three[1:])))
            found['video'] = [sequences([frames(i) for i in three], masks, flows)
                              for frames in (lambda i: clips.frames[:, i], lambda i: wholes[i])]
            found['video'].append(clips.masks[:, t - 2:t + 1].amax(1))
        return found

    def terms(self, clips, wholes, t):
        """What they ask of the network."""
        self.parts.requires_grad_(False)
        found = {f'{name}_gan': discriminators.fool(self.parts[name], *given)
                 for name, given in self.inputs(clips, wholes, t).items()}
        self.parts.requires_grad_(True)
        return found

    def learn(self, clips, wholes):
        """Their own gradients, on what has just been made. -> their losses."""
        given, losses = {}, {}
        for t in range(len(wholes)):
            for name, found in self.inputs(clips, wholes, t).items():
                given.setdefault(name, []).append(found)
        for name, found in given.items():
            loss = discriminators.loss(self.parts[name], *(torch.cat(x) for x in zip(*found)))
            loss.backward()
            losses[f'{name}_critic'] = loss.detach()
        return losses
