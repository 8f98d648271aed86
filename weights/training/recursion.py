"""The network over the targets of clips, one by one, each given the two outputs before it."""
import torch
import torch.nn.functional as F

import alignment
from model import Inpainter, composite


@torch.no_grad()
def transforms(homography, clips):
    """Theta (n, t, r, 3, 3) of every target and reference, refined: once for all objectives.

    Frames of a clip that lie apart have no track between them: each pair starts from the better of
    the identity and the network's estimate.
    """
    n, t = clips.frames.shape[:2]
    r = clips.references.shape[1]

    def kept(frames, masks, repeat):
        """What is matched, and levels, of every pair."""
        frames, masks = frames.flatten(0, 1), masks.flatten(0, 1)
        matched, levels = homography.encode(frames, masks), alignment.levels(frames, masks)
        return ([repeat(x.float()) for x in matched],
                [[repeat(x) for x in level] for level in levels])

    target, own = kept(clips.frames, clips.masks, lambda x: x.repeat_interleave(r, 0))
    reference, other = kept(clips.references, clips.reference_masks, lambda x: x.unflatten(
        0, (n, 1, r)).expand(-1, t, *[-1] * x.dim()).flatten(0, 2))
    starts = (alignment.identity(n * t * r, clips.frames.device),
              alignment.from_affine(homography(target, reference).float()))
    costs = (alignment.mismatch(x, own[0], other[0]).view(-1, 1, 1) for x in starts)
    start = torch.where(next(costs) < next(costs), *starts)
    return alignment.refine(start, own, other).view(n, t, r, 3, 3)


def unaligned(ft, vt, xt, mt):
    """What there is instead of `Inpainter.align` where nothing is aligned: nothing is pooled."""
    return ft * vt, 1 - vt, xt * (1 - mt), 1 - mt


class Learner(Inpainter):
    """The inpainter as it is trained. In the clips of `alone` nothing is aligned, so that attention
    is needed. What it attends to answers for its colours, `attended`, where it is `wanted`; the
    coarse frame for itself, `filled`; `known` says how far that is to be trusted."""

    alone = None                          # n, 0 or 1

    def align_references(self, fr, vr, theta, *frames):
        alone = self.alone.view(-1, 1, 1, 1) > 0
        theta = torch.where(alone, alignment.identity(1, theta.device), theta)
        return super().align_references(fr, vr, theta, *frames)

    def align(self, ft, vt, xt, mt, aligned):
        alone = self.alone.view(-1, 1, 1, 1)
        made = [a + alone * (b - a) for a, b in zip(super().align(ft, vt, xt, mt, aligned),
                                                    unaligned(ft, vt, xt, mt))]
        self.doubted = 1 - F.avg_pool2d(made[3], 4)
        return made

    def coarse(self, *given):
        made = super().coarse(*given)
        self.filled, self.known = made[2:]
        return made

    def attend(self, x, hole, aligned):
        attended = super().attend(x, hole, aligned)
        self.attended, self.wanted = attended[:, :3], self.doubted * attended[:, 3:]
        return attended


class EncodedReferences:
    """References, encoded once for all targets; gradients are gathered, then applied."""

    def __init__(self, network, clips):
        n, r = clips.references.shape[:2]
        frames = clips.references.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features, visibility = network.encode(frames, clips.reference_masks.flatten(0, 1))
        self.features, self.visibility = (x.float().unflatten(0, (n, r)) for x in (features, visibility))
        self.leaf = self.features.detach().requires_grad_(self.features.requires_grad)

    def backward(self):
        if self.features.requires_grad:
            self.features.backward(self.leaf.grad)


def arguments(network, clips, theta, encoded, t):
    """What the network is given for target t: a withheld reference is all hole."""
    frame, mask = clips.frames[:, t], clips.masks[:, t]
    withheld = clips.withheld[:, t, :, None, None, None].float()
    features, visibility = network.encode(frame.contiguous(memory_format=torch.channels_last), mask)
    return (features, visibility, encoded.leaf, encoded.visibility * (1 - withheld), theta[:, t], frame, mask,
            clips.references, torch.maximum(clips.reference_masks, withheld))


def run(network, clips, theta, encoded, flow=True):
    """Yields output, raw output, flow and composited output of every target.

    Outputs are handed on without their gradient: a target answers for itself, so its graph can be
    freed before the next one's is made, and memory does not grow with the recursion.
    """
    past = []
    for t in range(clips.frames.shape[1]):
        previous = (past[-1], past[-2] if len(past) > 1 else past[-1]) if past and flow else None
        given = arguments(network, clips, theta, encoded, t)
        output, raw, moved, _ = network(*given, previous)
        whole = composite(output, clips.frames[:, t], clips.masks[:, t])
        past.append(whole.detach().clamp(-1, 1))
        yield output, raw, moved, whole
