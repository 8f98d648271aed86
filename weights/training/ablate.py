"""What each part contributes, on cases whose truth is known: a table like the paper's second.

    python3 weights/training/ablate.py --cases DIR homography.pt inpainter.pt

The parts are switched off in trained weights, not trained anew without them as the paper did, which
asks more of the weights. Cases, figures and masks are those of bench/quality.
"""
import argparse
import pathlib
import sys

import cv2
import numpy as np
import torch

import alignment
from complete import chosen, images, network, read, tensors
from model import Homography, Inpainter, inpaint
from recursion import unaligned
from running import convert

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / 'bench' / 'quality'))
import score  # noqa: E402


class Ablated(Inpainter):
    """The inpainter without some of its parts."""

    def __init__(self, aligns=True, attends=True, flows=True, everywhere=False):
        super().__init__()
        self.aligns, self.attends, self.flows, self.everywhere = aligns, attends, flows, everywhere

    def align_references(self, fr, vr, theta, xt, mt, xr, mr):
        if not self.aligns:
            theta = alignment.identity().expand_as(theta)
        if self.everywhere:
            xr = xr * (1 - mr)                            # the truth is behind their holes here
        return super().align_references(fr, vr, theta, xt, mt, xr, mr)

    def align(self, ft, vt, xt, mt, aligned):
        return super().align(ft, vt, xt, mt, aligned) if self.aligns else unaligned(ft, vt, xt, mt)

    def attend(self, x, hole, aligned):
        """`everywhere`: entire target against entire references, as in the paper's table 2b."""
        if self.everywhere:
            frames, shown, features, visibility, *rest = aligned
            hole, aligned = torch.ones_like(hole), (frames, shown, features, visibility * 0 + 1, *rest)
        guess = super().attend(x, hole, aligned)
        return guess if self.attends else guess * 0

    def forward(self, *given):
        *given, previous = given
        return super().forward(*given, previous if self.flows else None)


VARIANTS = {
    'none': dict(aligns=False, attends=False, flows=False),
    'align': dict(attends=False, flows=False),
    'attend': dict(aligns=False, flows=False),
    'align, attend': dict(flows=False),
    'align, flow': dict(attends=False),
    'all': dict(),
    'all, entire-entire': dict(everywhere=True),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cases', required=True, type=pathlib.Path)
    parser.add_argument('--frames', type=int, default=48, help='at most, of a case')
    parser.add_argument('--bfloat16', action='store_true')
    parser.add_argument('homography')
    parser.add_argument('inpainter')
    options = parser.parse_args()
    homography = network(Homography, options.homography)
    state = convert.state(options.inpainter, 'inpainter')
    rows = {name: [] for name in VARIANTS}
    for case in sorted(path for path in options.cases.iterdir() if path.is_dir()):
        truth = read(case / 'frames')[:options.frames]
        masks = [mask > 0 for mask in read(case / 'masks', cv2.IMREAD_GRAYSCALE)][:len(truth)]
        h, w = masks[0].shape
        given, motion = tensors(truth, masks), score.flows(truth)
        references = [chosen(t, len(truth)) for t in range(len(truth))]
        for name, parts in VARIANTS.items():
            ablated = Ablated(**parts)
            ablated.load_state_dict(state)
            with torch.autocast('cpu', dtype=torch.bfloat16, enabled=options.bfloat16):
                made = inpaint(homography, ablated, *given, references)
            made = list(images(made, h, w))
            rows[name].append(score.score(made, truth, masks, motion))
            print(f'{case.name}: {name}: hole PSNR {rows[name][-1][2]:.2f}', flush=True)
    print(f'\n{"mean of " + str(len(rows["all"])):24s}'
          + ''.join(f'{name:>9s}' for name in score.FIGURES))
    for name, figures in rows.items():
        print(f'{name:24s}' + ''.join(f'{v:9.{d}f}' for v, d in zip(np.mean(figures, 0),
                                                                   (2, 4, 2, 3, 3, 0))))


if __name__ == '__main__':
    main()
