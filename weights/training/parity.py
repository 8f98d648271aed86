"""Checks that the parts of model.py that are the reference's compute what it computes.

    python3 weights/training/parity.py reference/aan.py

How frames are related and what they lend (alignment.py), and what the decoder's output is added to,
are the model's own: there it is the reference.
"""
import importlib.util
import sys

import torch

import model


@torch.no_grad()
def main():
    spec = importlib.util.spec_from_file_location('reference', sys.argv[1])
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    torch.manual_seed(0)
    frames, masks = torch.rand(4, 3, 64, 96) * 2 - 1, torch.zeros(4, 1, 64, 96)
    masks[:, :, 20:44, 30:60] = 1
    ours = [kind() for kind in (model.Homography, model.Inpainter)]
    for part in ours:
        for value in part.parameters():
            value.add_(torch.randn_like(value) * .01)
    # V is 1 - M but in a frame that was warped: the reference's encoder is ours without it.
    first = ours[0].encoder.layers[0].weight
    first[:, 4:] = 0
    theirs = [kind() for kind in (reference.Homography, reference.Inpainter)]
    for truth, part in zip(theirs, ours):
        state = part.state_dict()
        state['encoder.layers.0.weight'] = state['encoder.layers.0.weight'][:, :4]
        truth.load_state_dict({name: state[name] for name in truth.state_dict()})

    def everywhere(inpainter, x, hole, fr, vr):
        """Attention without a window or a preference among references, to three of the features."""
        with torch.no_grad():
            inpainter.attention_pool.zero_()
            inpainter.attention_sigma.fill_(1e6)
        inpainter.reach = 99
        aligned = (None, None, fr, vr, fr[:, :, :3], torch.zeros_like(vr), None)
        return inpainter.attend(x, hole, aligned)[:, :3]

    def theirs_attend(inpainter, x, hole, fr, vr):
        return (inpainter.attend(x, hole, fr, vr) - x)[:, :3]

    def outputs(homography, inpainter, warp, attend):
        cells, visibility, *_ = homography.encode(frames, masks)
        yield from (cells, visibility)
        yield homography.regress(cells[:2], visibility[:2], cells[2:], visibility[2:])
        features, visible = inpainter.encode(frames, masks)
        yield from (features, visible)
        yield attend(inpainter, features[:1], 1 - visible[:1], features[None, 1:], visible[None, 1:])
        flow, logit, before = inpainter.estimate_flow(features[:1], frames[1:2], frames[2:3])
        yield from (flow, logit, before, warp(before, flow))

    pairs = list(zip(outputs(*ours, model.warp, everywhere),
                     outputs(*theirs, reference.warp, theirs_attend)))
    for i, (a, b) in enumerate(pairs):
        # The same numbers but for rounding: positions are written otherwise.
        assert torch.isfinite(b).all() and torch.allclose(a, b, 1e-5, 1e-6), (i, (a - b).abs().max())
    print(f'{len(pairs)} outputs of model.py equal the reference\'s')


if __name__ == '__main__':
    main()
