"""Trains the homography network on synthetic pairs. Ends at --steps; resumes where it stopped.

    python3 weights/training/train_homography.py --data DATA --out RUN [--start homography.pt]
"""
import argparse
import time

import torch

import alignment
import pairs
import running
import sources
from model import Homography, compose, warped


def grid_distance(theta, truth, size=128, steps=16):
    """Mean distance in pixels of the sampling grids under two thetas, per sample."""
    axis = (torch.arange(steps) + .5) * 2 / steps - 1
    y, x = (v.flatten() for v in torch.meshgrid(axis, axis, indexing='ij'))
    points = torch.stack([x, y, torch.ones_like(x)])
    off = (theta.float() - truth) @ points * (size / 2)
    return (off.square().sum(1) + 1e-6).sqrt().mean(1)


def estimates(network, target, reference, mt, mr, iterations=2):
    """Theta after every iteration, and what each matched: from which theta, features, visibility."""
    frames = torch.cat([target, reference]).contiguous(memory_format=torch.channels_last)
    *parts, squares = network.encode(frames, torch.cat([mt, mr]))
    (ft, fr), (vt, vr) = (x.float().chunk(2) for x in parts)
    square = squares.chunk(2)[1]
    before = torch.eye(2, 3).expand(len(ft), 2, 3)
    found, matched = [], []
    for i in range(iterations):
        if i:
            # The gradient does not pass through the warp: each iteration answers for its own.
            before = found[-1].detach().float()
            fr, vr = (x.float() for x in network.matching_features(warped(square, before)))
        matched.append((before, ft, vt, fr, vr))
        found.append(compose(before, network.regress(ft, vt, fr, vr).float()))
    return found, matched


def correspondence(network, truth, before, ft, vt, fr, vr):
    """Cross-entropy of the matching against the true position, shared among its four cells."""
    n, _, g, _ = ft.shape
    both = torch.linalg.solve(*(alignment.from_affine(x) for x in (before, truth)))
    _, _, u, v, _ = alignment.positions(both, g, g)                       # (n, g g)
    logits = torch.einsum('nci,ncj->nij', fr.flatten(2), ft.flatten(2)).float() * network.scale
    visibility = vr.flatten(1)
    chance = logits.masked_fill(visibility.unsqueeze(2) < .5, -1e4).log_softmax(1)
    loss, total = 0, 0
    x, y = ((p + 1) * (g / 2) - .5 for p in (u, v))
    for dy in (0, 1):
        for dx in (0, 1):
            cx, cy = x.floor() + dx, y.floor() + dy
            share = (1 - (x - cx).abs()) * (1 - (y - cy).abs())
            inside = (cx >= 0) & (cy >= 0) & (cx < g) & (cy < g)
            at = (cy.clamp(0, g - 1) * g + cx.clamp(0, g - 1)).long()
            share = share * inside * visibility.gather(1, at) * vt.flatten(1)
            loss = loss - (share * chance.gather(1, at.unsqueeze(1)).squeeze(1)).sum()
            total = total + share.sum()
    return loss / total.clamp(min=1)


def objective(network, found, matched, truth, options):
    """Grid distance (in 16 pixels) of every iteration, the last one fully, L1 of theta, and how
    well cells were matched."""
    loss = 0
    for i, (theta, match) in enumerate(zip(found, matched)):
        weight = 1 if i == len(found) - 1 else .5
        terms = grid_distance(theta, truth).mean() / 16
        terms = terms + options.weight_theta * (theta.float() - truth).abs().mean()
        if options.weight_matching:
            terms = terms + options.weight_matching * correspondence(network, truth, *match)
        loss = loss + weight * terms
    return loss


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', required=True, help='folder with images/ and masks/')
    parser.add_argument('--out', required=True, help='folder of the run')
    parser.add_argument('--start', help='state dict to start from')
    parser.add_argument('--steps', type=int, default=12000)
    parser.add_argument('--batch', type=int, default=48)
    parser.add_argument('--rate', type=float, default=6e-4)
    parser.add_argument('--weight-theta', type=float, default=1.0)
    parser.add_argument('--weight-matching', type=float, default=.1)
    parser.add_argument('--bfloat16', action='store_true',
                        help='only where the processor computes it: 15 times slower elsewhere')
    parser.add_argument('--stop-after', type=int, help='end after so many steps of this start')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--limit', type=int, help='use only so many photographs')
    parser.add_argument('--save-every', type=float, default=300, help='seconds')
    parser.add_argument('--log-every', type=float, default=20, help='seconds')
    return parser.parse_args()


def train(options):
    torch.manual_seed(options.seed)
    torch.set_num_threads(2)
    log, stop = running.Log(f'{options.out}/log.jsonl'), running.Stop()
    images = sources.photographs(f'{options.data}/images', 'train', limit=options.limit)
    objects = sources.object_masks(f'{options.data}/masks', 'train')
    network = Homography().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), options.rate)
    average = None                                        # of the weights: what is evaluated
    state, step = running.load(f'{options.out}/checkpoint.pt'), 0
    if state:
        network.load_state_dict(state['network'])
        optimizer.load_state_dict(state['optimizer'])
        average, step = state['average'], state['step']
    elif options.start:
        network.load_state_dict(torch.load(options.start, map_location='cpu'))
    average = average or {k: v.clone() for k, v in network.state_dict().items()}
    log.write(event='start', step=step, photographs=len(images), objects=len(objects))

    def make(at):
        return pairs.batch(options.seed, at, images, objects, options.batch)

    def keep():
        running.save(f'{options.out}/checkpoint.pt', {
            'network': network.state_dict(), 'optimizer': optimizer.state_dict(),
            'average': average, 'step': step})
        running.save(f'{options.out}/homography.pt', average)

    data = running.Prefetch(make, step)
    saved = logged = time.time()
    first, losses, errors, waited = step, [], [], 0.0
    last = min(options.steps, step + (options.stop_after or options.steps))
    while step < last and not stop.asked:
        for group in optimizer.param_groups:
            group['lr'] = running.cosine(step, options.steps, options.rate)
        *inputs, truth = data.get()
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=options.bfloat16):
            found, matched = estimates(network, *inputs)
        loss = objective(network, found, matched, truth, options)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(.998, step / (step + 20))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        losses.append(loss.item())
        errors.append(grid_distance(found[-1].detach(), truth).mean().item())
        now = time.time()
        if now - logged > options.log_every or step == last:
            count = len(losses)
            log.write(step=step, loss=sum(losses) / count, pixels=sum(errors) / count,
                      rate=optimizer.param_groups[0]['lr'],
                      samples_a_second=count * options.batch / (now - logged),
                      share_in_data=(data.waited - waited) / (now - logged))
            logged, waited, losses, errors = now, data.waited, [], []
        if now - saved > options.save_every:
            keep()
            saved = now
    keep()
    log.write(event='end', step=step, made=step - first)
    data.close()


if __name__ == '__main__':
    train(arguments())
