"""Completes cases with the network in PyTorch, as the package does at working size.

    python3 weights/training/complete.py --cases DIR --out DIR [--case NAME] [--coarse] \\
        homography.pt inpainter.pt

A case has frames/ and masks/ (white is removed). bench/quality/run.py --results NAME=OUT scores
what comes out; against the package's own output that is the parity of the two.
"""
import argparse
import math
import pathlib
import time

import cv2
import numpy as np
import torch

from model import Homography, Inpainter, inpaint
from running import convert


def read(folder, flags=cv2.IMREAD_COLOR):
    return [cv2.imread(str(path), flags) for path in sorted(folder.iterdir())]


def tensors(frames, masks):
    """Frames and masks padded to multiples of 16, as the network takes them."""
    h, w = masks[0].shape
    pad = ((0, 0), (0, -h % 16), (0, -w % 16))
    x = np.pad(np.stack(frames)[..., ::-1], (*pad, (0, 0)), 'edge').transpose(0, 3, 1, 2)
    m = np.pad(np.stack(masks), pad, 'edge')[:, None]
    return torch.from_numpy(x.astype(np.float32)) / 127.5 - 1, torch.from_numpy(m).float()


def images(frames, h, w):
    """Frames as OpenCV has them."""
    made = frames[..., :h, :w].float().permute(0, 2, 3, 1).numpy()[..., ::-1]
    return np.floor(np.clip(made * 127.5 + 127.5, 0, 255) + .5).astype(np.uint8)


def chosen(t, count, stride=10, most=16):
    """The references of a target, as lib/video/references.ts chooses them."""
    near = [r for d in (1, 2, 3, 5) for r in (t - d, t + d) if 0 <= r < count][:most // 2]
    last = t // stride * stride
    sides = (range(last - stride * (last == t), -1, -stride), range(last + stride, count, stride))
    far = sorted((not math.log2(n).is_integer(), abs(r - t), r)
                 for side in sides for n, r in enumerate(list(side)[:most], 1))
    return sorted(list(dict.fromkeys([*near, *(r for *_, r in far)]))[:most])


def network(kind, path):
    made = kind()
    made.load_state_dict(convert.state(path, kind.__name__.lower()))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cases', required=True, type=pathlib.Path)
    parser.add_argument('--out', required=True, type=pathlib.Path)
    parser.add_argument('--case', default='*', help='only this one')
    parser.add_argument('--coarse', action='store_true', help='the coarse frame alone')
    parser.add_argument('homography')
    parser.add_argument('inpainter')
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    homography = network(Homography, options.homography)
    inpainter = network(Inpainter, options.inpainter)
    if options.coarse:
        inpainter.d7.weight[:3], inpainter.d7.bias[:3] = 0, 0
        inpainter.f7.weight[2:], inpainter.f7.bias[2:] = 0, 100
    for case in sorted(options.cases.glob(f'{options.case}/')):
        masks = [mask > 0 for mask in read(case / 'masks', cv2.IMREAD_GRAYSCALE)]
        began, count = time.time(), len(masks)
        references = [chosen(t, count) for t in range(count)]
        made = inpaint(homography, inpainter, *tensors(read(case / 'frames'), masks), references)
        (options.out / case.name).mkdir(parents=True, exist_ok=True)
        for t, frame in enumerate(images(made, *masks[0].shape)):
            cv2.imwrite(str(options.out / case.name / f'{t:05d}.png'), frame)
        print(f'{case.name}: {(time.time() - began) / count:.2f} s a frame', flush=True)


if __name__ == '__main__':
    main()
