"""Completes cases with the coarse frame alone (coarse.py), without an inpainter.

    python3 weights/training/complete.py --cases DIR --out DIR [--homography FILE] [--case NAME]

A case is a folder with frames/ and masks/ (white is removed); OUT/CASE/%05d.png is what
bench/quality/run.py --results scores. The homography's weights only start the alignment.
"""
import argparse
import pathlib
import time

import cv2
import numpy as np
import torch

import coarse
from ablate import read, tensors
from model import Homography, refine

LEVELS = (4, 2)


class Clip:
    """Frames and masks with what the alignment needs of each, and the track through them."""

    def __init__(self, frames, masks, network):
        self.frames, self.masks = tensors(frames, masks)
        self.network = network
        count = range(len(frames))
        self.pairs = [(self.frames[t:t + 1], self.masks[t:t + 1]) for t in count]
        self.levels = [[coarse.level(*pair, k) for k in LEVELS] for pair in self.pairs]
        self.features = network and [network.encode(*pair) for pair in self.pairs]
        self.steps = [None] + [self.step(t) for t in count[1:]]

    def affine(self, t, r):
        """From t to r: the better of what the identity and the network start."""
        start = coarse.identity()
        pair = (*self.pairs[t], *self.pairs[r])
        levels = self.levels[t][0], self.levels[r][0]
        made = [refine(start[:, :2].clone(), *pair)]
        if self.network:
            made.append(refine(self.network(*self.features[t], *self.features[r]), *pair))
        for theta in made:
            start = coarse.better(coarse.from_affine(theta), start, *levels)
        return start

    def step(self, t):
        """From t to the frame before."""
        return coarse.refine(self.affine(t, t - 1), self.levels[t], self.levels[t - 1])

    def align(self, t, references):
        """Homographies (n, 3, 3) from t to its references."""
        levels = [[torch.cat(part) for part in zip(*(self.levels[r][k] for r in references))]
                  for k in range(len(LEVELS))]
        start = coarse.chain(self.steps, t)[references]
        alone = torch.cat([self.affine(t, r) for r in references])
        return coarse.refine(coarse.better(start, alone, self.levels[t][0], levels[0]),
                             self.levels[t], levels)

    def complete(self, t):
        """The frame with its hole filled (1, 3, h, w)."""
        frame, mask = self.pairs[t]
        if not mask.any():
            return frame
        references = chosen(t, len(self.pairs))
        homography = self.align(t, references)
        aligned = coarse.sample(self.frames[references], homography)
        seen = (coarse.sample(1 - self.masks[references], homography) > .99).float()
        pooled, _ = coarse.pool(aligned, seen, frame, mask)
        return pooled * mask + frame * (1 - mask)


def chosen(t, count, most=16):
    """References: the neighbours, and of every tenth frame the nearest."""
    near = [t + d for d in (-1, 1, -2, 2, -3, 3, -5, 5) if 0 <= t + d < count]
    far = sorted((r for r in range(0, count, 10) if r != t and r not in near),
                 key=lambda r: abs(r - t))
    return (near + far)[:most]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cases', required=True, type=pathlib.Path)
    parser.add_argument('--out', required=True, type=pathlib.Path)
    parser.add_argument('--homography', help='without, only the identity starts a pair')
    parser.add_argument('--case', help='only this one')
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    network = options.homography and Homography()
    if network:
        network.load_state_dict(torch.load(options.homography, map_location='cpu'))
    for case in sorted(path for path in options.cases.iterdir() if path.is_dir()):
        if options.case not in (None, case.name):
            continue
        masks = [mask > 0 for mask in read(case / 'masks', cv2.IMREAD_GRAYSCALE)]
        (options.out / case.name).mkdir(parents=True, exist_ok=True)
        began, clip = time.time(), Clip(read(case / 'frames'), masks, network)
        for t, mask in enumerate(masks):
            frame = clip.complete(t)[0, :, :mask.shape[0], :mask.shape[1]].permute(1, 2, 0)
            frame = np.clip(frame.numpy()[..., ::-1] * 127.5 + 127.5, 0, 255).round()
            cv2.imwrite(str(options.out / case.name / f'{t:05d}.png'), frame.astype(np.uint8))
        print(f'{case.name}: {(time.time() - began) / len(masks):.2f} s a frame', flush=True)


if __name__ == '__main__':
    main()
