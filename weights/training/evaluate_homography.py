"""Mean grid error on held-out photographs, before and after the refinement, in pixels of 128.

    python3 weights/training/evaluate_homography.py --pack PACK.npz homography.pt [...]
"""
import argparse

import torch

import alignment
import media
import pairs
from model import Homography
from running import convert
from train_homography import grid_distance


def projective(homography, truth, size=128):
    """Mean distance of the grid under a homography and under the true affine transform, in pixels."""
    x, y, u, v, _ = alignment.positions(homography, size, size)
    a, b = (truth[:, k, :1] * x + truth[:, k, 1:2] * y + truth[:, k, 2:] for k in (0, 1))
    return torch.stack([u - a, v - b]).norm(dim=0).mean(1) * size / 2


@torch.no_grad()
def errors(network, batches):
    """Grid errors of the identity, before and after the refinement, of every pair."""
    rows = []
    for target, reference, mt, mr, truth in batches:
        found = network(network.encode(target, mt), network.encode(reference, mr))
        levels = alignment.levels(target, mt), alignment.levels(reference, mr)
        sharp = alignment.refine(alignment.from_affine(found), *levels)
        identity = torch.eye(2, 3, device=truth.device).expand_as(truth)
        rows.append(torch.stack([
            *(grid_distance(x, truth) for x in (identity, found)), projective(sharp, truth)]))
    return torch.cat(rows, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--pack', required=True)
    parser.add_argument('--pairs', type=int, default=512)
    parser.add_argument('--hard', action='store_true', help='with exposure, noise, compression')
    parser.add_argument('weights', nargs='+')
    options = parser.parse_args()
    torch.set_num_threads(2)
    _, held_out = media.load(options.pack, torch.device('cpu'))
    batches = [pairs.batch(99, i, held_out, 32, hard=options.hard)
               for i in range(options.pairs // 32)]
    for path in options.weights:
        network = Homography()
        network.load_state_dict(convert.state(path, 'homography'))
        identity, before, after = errors(network, batches)
        print(f'{path}: {len(before)} pairs of {len(held_out.photographs)} photographs, '
              f'identity {identity.mean():.1f}')
        for name, e in (('before', before), ('after', after)):
            print(f'  {name:6s} mean {e.mean():.3f}  median {e.median():.3f}  '
                  f'under 0.5: {(e < .5).float().mean() * 100:.1f} %  '
                  f'over 4: {(e > 4).float().mean() * 100:.1f} %')


if __name__ == '__main__':
    main()
