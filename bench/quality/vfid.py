"""Fréchet distance of videos (VFID, Wang et al., Video-to-Video Synthesis), by I3D features that the
user supplies: a TorchScript module that takes (n, 3, t, 224, 224) in [-1, 1] to (n, features).

Frames are BGR of uint8.
"""
import cv2
import numpy as np
import torch

LENGTH, STRIDE = 16, 4                # frames of a piece, and from one to the next


@torch.no_grad()
def features(module, frames):
    """Features (pieces, d) of all pieces of a video."""
    small = np.stack([cv2.resize(frame, (224, 224), interpolation=cv2.INTER_AREA)[..., ::-1]
                      for frame in frames]).astype(np.float32) / 127.5 - 1
    starts = range(0, max(len(small) - LENGTH, 0) + 1, STRIDE)
    pieces = [torch.from_numpy(small[t:t + LENGTH].transpose(3, 0, 1, 2)[None]) for t in starts]
    return np.concatenate([module(piece).flatten(1).numpy() for piece in pieces])


def distance(made, truth):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets of features (n, d), n at least 2."""
    a, b = (np.asarray(x, np.float64) for x in (made, truth))
    # tr (C1 C2)^(1/2) is the sum of singular values of the centred sets' product: no d x d roots.
    ca, cb = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (a, b))
    roots = np.linalg.svd(ca @ cb.T, compute_uv=False).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + (ca ** 2).sum() + (cb ** 2).sum() - 2 * roots
