"""Completes cases with the coarse frame alone (coarse.py), without an inpainter.

    python3 weights/training/complete.py --cases DIR --out DIR [--homography FILE] [--case NAME]

A case has frames/ and masks/ (white is removed); bench/quality/run.py --results scores OUT.
"""
import argparse
import pathlib
import time

import cv2
import numpy as np
import torch

import coarse
from ablate import read, tensors
from model import Homography, composite, refine


class Clip:
    """Frames and masks with what the alignment needs of each, and the track through them."""

    def __init__(self, frames, masks, network):
        self.frames, self.masks = tensors(frames, masks)
        self.pairs = list(zip(self.frames.split(1), self.masks.split(1)))
        self.levels = [[coarse.level(*pair, k) for k in (4, 2)] for pair in self.pairs]
        self.steps = [None] + [self.step(t, network) for t in range(1, len(frames))]

    def step(self, t, network):
        """From t to the frame before: the better of what the identity and the network start."""
        pair, levels = (self.pairs[t], self.pairs[t - 1]), (self.levels[t], self.levels[t - 1])
        best = coarse.identity()
        starts = [best[:, :2]]
        if network:
            starts.append(network(*network.encode(*pair[0]), *network.encode(*pair[1])))
        for start in starts:
            theta = coarse.from_affine(refine(start, *pair[0], *pair[1]))
            best = coarse.better(theta, best, levels[0][0], levels[1][0])
        return coarse.refine(best, *levels)

    def align(self, t, references):
        """Homographies (n, 3, 3) from t to its references."""
        levels = [[torch.cat(part) for part in zip(*level)]
                  for level in zip(*(self.levels[r] for r in references))]
        start = coarse.chain(self.steps, t)[references]
        refined = coarse.refine(start, self.levels[t], levels)
        return coarse.accepted(refined, start, self.levels[t][-1], levels[-1], self.masks[t, 0])

    def complete(self, t):
        """The frame with its hole filled (1, 3, h, w)."""
        frame, mask = self.pairs[t]
        if not mask.any():
            return frame
        references = chosen(t, len(self.pairs))
        theta = self.align(t, references)
        aligned = coarse.sample(self.frames[references], theta)
        seen = (coarse.sample(1 - self.masks[references], theta) > .99).float()
        return composite(coarse.pool(aligned, seen, frame, mask)[0], frame, mask)


def chosen(t, count, most=16):
    """References: the neighbours, and of every tenth frame the nearest."""
    near = [t + d for d in (-1, 1, -2, 2, -3, 3, -5, 5) if 0 <= t + d < count]
    far = sorted(set(range(0, count, 10)) - {t, *near}, key=lambda r: abs(r - t))
    return (near + far)[:most]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cases', required=True, type=pathlib.Path)
    parser.add_argument('--out', required=True, type=pathlib.Path)
    parser.add_argument('--homography', help='starts consecutive frames; else the identity does')
    parser.add_argument('--case', default='*', help='only this one')
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    if network := options.homography and Homography():
        network.load_state_dict(torch.load(options.homography, map_location='cpu'))
    for case in sorted(options.cases.glob(f'{options.case}/')):
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
