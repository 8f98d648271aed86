"""The network's flow beside the camera's, in pixels, on cases whose truth is known.

    python3 weights/training/evaluate_flow.py --cases DIR homography.pt inpainter.pt

The camera's is the track's homography. The network is given the true frames before the target, and
is judged where the frame before, moved by the camera, shows what the target shows.
"""
import argparse
import pathlib

import cv2
import numpy as np
import torch
import torch.nn.functional as F

import alignment
import motion
import objectives
from complete import network, read, tensors
from model import Homography, Inpainter


def figures(homography, inpainter, x, m):
    """Of the last of three frames and its mask: mean lengths of both flows, and how far apart they
    are, where the camera's holds and in the hole."""
    levels = [alignment.levels(x[t:t + 1], m[t:t + 1]) for t in (1, 2)]
    cells = [homography.encode(x[t:t + 1], m[t:t + 1]) for t in (1, 2)]
    track = alignment.track(homography(cells[1], cells[0]), levels[1], levels[0])
    h, w = x.shape[-2:]
    camera = motion.displacement(track, h, w)
    features, _ = inpainter.encode(x[2:], m[2:])
    flow, *_ = inpainter.estimate_flow(features, x[1:2], x[:1])
    flow = F.interpolate(flow, scale_factor=4, mode='bilinear', align_corners=False) * 4
    off = (flow - camera).norm(dim=1, keepdim=True)
    holds = objectives.occlusion(x[2:], x[1:2], camera)
    return [float(v) for v in (camera.norm(dim=1).mean(), flow.norm(dim=1).mean(),
                               objectives.mean(off, holds), objectives.mean(off, m[2:]))]


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cases', required=True, type=pathlib.Path)
    parser.add_argument('homography')
    parser.add_argument('inpainter')
    options = parser.parse_args()
    parts = network(Homography, options.homography), network(Inpainter, options.inpainter)
    print(f'{"":24s}  camera  network  apart where it holds  in the hole')
    for case in sorted(path for path in options.cases.iterdir() if path.is_dir()):
        masks = [mask > 0 for mask in read(case / 'masks', cv2.IMREAD_GRAYSCALE)]
        x, m = tensors(read(case / 'frames'), masks)
        found = [figures(*parts, x[t - 2:t + 1], m[t - 2:t + 1]) for t in range(6, len(x), 8)]
        print(f'{case.name:24s} {"%7.2f %8.2f %21.2f %12.2f" % tuple(np.mean(found, 0))}',
              flush=True)


if __name__ == '__main__':
    main()
