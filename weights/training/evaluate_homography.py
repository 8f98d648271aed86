"""Mean grid error on held-out photographs, before and after the refinement, in pixels of 128.

    python3 weights/training/evaluate_homography.py --data DATA homography.pt [...]
"""
import argparse

import torch

import pairs
import sources
from model import Homography, refine
from train_homography import grid_distance


@torch.no_grad()
def errors(network, batches):
    """Grid errors of the identity, before and after the refinement, of every pair."""
    rows = []
    for target, reference, mt, mr, truth in batches:
        found = network(*network.encode(target, mt), *network.encode(reference, mr))
        sharp = refine(found, target, mt, reference, mr)
        identity = torch.eye(2, 3).expand_as(truth)
        rows.append(torch.stack([grid_distance(x, truth) for x in (identity, found, sharp)]))
    return torch.cat(rows, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', required=True)
    parser.add_argument('--pairs', type=int, default=512)
    parser.add_argument('--hard', action='store_true', help='with exposure, noise, compression')
    parser.add_argument('weights', nargs='+')
    options = parser.parse_args()
    torch.set_num_threads(2)
    images = sources.photographs(f'{options.data}/images', 'held-out')
    objects = sources.object_masks(f'{options.data}/masks', 'held-out')
    batches = [pairs.batch(99, i, images, objects, 32, hard=options.hard)
               for i in range(options.pairs // 32)]
    for path in options.weights:
        network = Homography()
        network.load_state_dict(torch.load(path, map_location='cpu'))
        identity, before, after = errors(network, batches)
        print(f'{path}: {len(before)} pairs of {len(images)} photographs, '
              f'identity {identity.mean():.1f}')
        for name, e in (('before', before), ('after', after)):
            print(f'  {name:6s} mean {e.mean():.3f}  median {e.median():.3f}  '
                  f'under 0.5: {(e < .5).float().mean() * 100:.1f} %  '
                  f'over 4: {(e > 4).float().mean() * 100:.1f} %')


if __name__ == '__main__':
    main()
