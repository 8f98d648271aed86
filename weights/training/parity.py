"""Checks that model.py computes what the reference computes, to the last bit.

    python3 weights/training/parity.py reference/aan.py
"""
import importlib.util
import sys

import torch

import model


def main():
    spec = importlib.util.spec_from_file_location('reference', sys.argv[1])
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    torch.manual_seed(0)
    frames, masks = torch.rand(4, 3, 64, 96) * 2 - 1, torch.zeros(4, 1, 64, 96)
    masks[:, :, 20:44, 30:60] = 1
    parts = [kind() for kind in (model.Homography, model.Inpainter)]
    with torch.no_grad():
        for part in parts:
            for value in part.parameters():
                value.add_(torch.randn_like(value) * .01)
    truths = [kind() for kind in (reference.Homography, reference.Inpainter)]
    for truth, part in zip(truths, parts):
        truth.load_state_dict(part.state_dict())
    ours = model.inpaint(*parts, frames, masks, [0, 2])
    theirs = reference.inpaint(*truths, frames, masks, [0, 2])
    assert torch.isfinite(theirs).all() and torch.equal(ours, theirs), (ours - theirs).abs().max()
    print('model.py equals the reference')


if __name__ == '__main__':
    main()
