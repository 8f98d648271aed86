"""Trains the homography network on synthetic pairs, on a GPU or on CPUs. Resumes where it stopped.

    python3 weights/training/train_homography.py --pack PACK.npz --out RUN --steps 12000 \\
        [--start homography.pt]
"""
import argparse
import time

import torch

import alignment
import devices
import media
import pairs
import running
from model import Homography, compose, warped
from running import convert


def grid_distance(theta, truth, size=128, steps=16):
    """Mean distance in pixels of the sampling grids under two thetas, per sample."""
    axis = (torch.arange(steps, device=theta.device) + .5) * 2 / steps - 1
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
    before = torch.eye(2, 3, device=ft.device).expand(len(ft), 2, 3)
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
    parser = devices.arguments(argparse.ArgumentParser(description=__doc__.split('\n')[0]))
    parser.add_argument('--batch', type=int, default=48)
    parser.add_argument('--rate', type=float, default=6e-4)
    parser.add_argument('--weight-theta', type=float, default=1.0)
    parser.add_argument('--weight-matching', type=float, default=.1)
    return devices.parse(parser)


def train(options):
    device = devices.prepare(options)
    log, stop = running.Log(f'{options.out}/log.jsonl'), running.Stop()
    material, _ = media.load(options.pack, device)
    network = Homography().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), options.rate)
    state, step, average = running.load(f'{options.out}/checkpoint.pt'), 0, None
    if state:
        network.load_state_dict(state['network'])
        optimizer.load_state_dict(state['optimizer'])
        average, step = state['average'], state['step']
    elif options.start:
        network.load_state_dict(convert.state(options.start, 'homography'))
    average = {k: v.to(device, copy=True) for k, v in (average or network.state_dict()).items()}
    log.write(event='start', step=step, device=str(device), pytorch=torch.__version__,
              photographs=len(material.photographs), masks=len(material.masks))

    def keep():
        running.save(f'{options.out}/checkpoint.pt', {
            'network': network.state_dict(), 'optimizer': optimizer.state_dict(),
            'average': average, 'step': step, 'elapsed': clock.elapsed()})
        running.save(f'{options.out}/homography.pt', average)

    clock = running.Clock(options.steps, options.seconds, state.get('elapsed', 0) if state else 0)
    saved = logged = time.time()
    first, entries, made = step, [], 0
    while clock.progress(step) < options.stop_after and not stop.asked:
        rate = running.cosine(clock.progress(step), options.rate)
        *inputs, truth = pairs.batch(options.seed, step, material, options.batch)
        with devices.autocast(options):
            found, matched = estimates(network, *inputs)
        loss = objective(network, found, matched, truth, options)
        loss.backward()
        running.set_rate(optimizer, rate)
        finite = running.descend(optimizer)
        step += 1
        running.follow(average, network, step)
        entries.append({'loss': loss.detach(), 'finite': finite,
                        'pixels': grid_distance(found[-1].detach(), truth).mean()})
        made += len(truth)
        passed = time.time() - logged
        if passed > options.log_every:
            log.write(step=step, **running.means(entries), rate=rate,
                      samples_a_second=made / passed)
            logged, entries, made = time.time(), [], 0
        if time.time() - saved > options.save_every:
            keep()
            saved = time.time()
    keep()
    log.write(event='end', step=step, made=step - first, seconds=clock.elapsed())


if __name__ == '__main__':
    train(arguments())
