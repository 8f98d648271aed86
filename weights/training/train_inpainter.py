"""Trains the inpainter. Ends at --steps; resumes where it stopped.

    python3 weights/training/train_inpainter.py --data DATA --homography homography.pt --out RUN \\
        --stage 1 | 2 [--start inpainter.pt]

Stage 1: single images without references, so without align and attend. Stage 2: everything, on
clips, with a recursion that grows.
"""
import argparse
import dataclasses
import os
import time

import cv2
import torch

import clips
import objectives
import recursion
import running
import sheets
import sources
from model import Homography


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', required=True, help='folder with images/, clips/ and masks/')
    parser.add_argument('--homography', required=True, help='its state dict; frozen')
    parser.add_argument('--out', required=True, help='folder of the run')
    parser.add_argument('--stage', type=int, choices=(1, 2), default=2)
    parser.add_argument('--start', help='state dict to start from')
    parser.add_argument('--size', type=int, default=160, help='pixels, a multiple of 16')
    parser.add_argument('--references', type=int, default=4)
    parser.add_argument('--recursion', type=int, default=6, help='targets of a clip at first')
    parser.add_argument('--growth', type=int, default=6, help='how many more, up to 24,')
    parser.add_argument('--grow-every', type=int, default=5000, help='after so many steps')
    parser.add_argument('--frames', type=int, default=16,
                        help='targets a step: a longer recursion takes fewer clips')
    parser.add_argument('--only', nargs='+', default=[''], metavar='PREFIX',
                        help='of the names of what is trained')
    parser.add_argument('--steps', type=int, default=20000)
    parser.add_argument('--rate', type=float, default=2e-4)
    for field in dataclasses.fields(objectives.Weights):
        parser.add_argument(f'--weight-{field.name.replace("_", "-")}', type=float,
                            default=field.default, dest=f'weight_{field.name}')
    parser.add_argument('--bfloat16', action='store_true',
                        help='only where the processor computes it (AMX, avx512_bf16)')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--limit', type=int, help='use only so many photographs and clips')
    parser.add_argument('--stop-after', type=int, help='end after so many steps of this start')
    parser.add_argument('--save-every', type=float, default=300, help='seconds')
    parser.add_argument('--log-every', type=float, default=20, help='seconds')
    return parser.parse_args()


def shape(options, step):
    """Clips, targets and references of a step."""
    if options.stage == 1:
        return options.frames, 1, 0
    grown = options.recursion + options.growth * (step // options.grow_every)
    targets = max(options.recursion, min(grown, 24))
    return max(options.frames // targets, 1), targets, options.references


def media(options, part):
    folder, limit = options.data, options.limit
    short = max(options.size, 160)
    return (sources.photographs(f'{folder}/images', part, max(short, 224), limit),
            sources.clips(f'{folder}/clips', part, short, limit=limit)
            if options.stage == 2 else [],
            sources.object_masks(f'{folder}/masks', part))


def weighted(terms, weights):
    return sum(getattr(weights, name) * value for name, value in terms.items()
               if getattr(weights, name))


def learn(network, adversaries, batch, theta, weights):
    """Gradients of all objectives over a batch of clips. -> the terms as numbers, the outputs."""
    network.alone = batch.alone
    encoded = recursion.EncodedReferences(network, batch)
    sums, wholes = {}, []
    count = batch.frames.shape[1]
    for t, (output, raw, moved, whole) in enumerate(recursion.run(network, batch, theta, encoded)):
        truth, mask = batch.frames[:, t], batch.masks[:, t]
        terms = objectives.frame_terms(output.float(), raw.float(), truth, mask)
        terms.update(objectives.coarse_terms(network.attended, network.wanted, network.filled,
                                             truth, mask))
        if moved is not None:
            terms.update(objectives.motion_terms(output.float(), truth, batch.frames[:, t - 1],
                                                 mask, moved, batch.flow[:, t]))
        wholes.append(whole.float())
        terms.update(adversaries.terms(batch, wholes, t))
        (weighted(terms, weights) / count).backward()
        wholes[-1] = wholes[-1].detach()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + float(value) / count
    encoded.backward()
    return sums, wholes


@torch.no_grad()
def judge(network, homography, options, held_out, path):
    """PSNR in the holes of clips that are never trained on, and a sheet of pictures of them."""
    errors, rows = [], []
    targets, references = (1, 0) if options.stage == 1 else (4, options.references)
    for i in range(8):
        batch = clips.batch(99, i, held_out, 1, options.size, targets, references)
        theta = recursion.transforms(homography, batch)
        network.alone = torch.zeros(1)
        encoded = recursion.EncodedReferences(network, batch)
        wholes = [whole.float() for *_, whole in recursion.run(network, batch, theta, encoded)]
        last = targets - 1
        truth, mask = batch.frames[:, last], batch.masks[:, last]
        errors.append(objectives.mean(((wholes[-1] - truth) / 2).square(), mask))
        coarse = network.coarse(*recursion.arguments(network, batch, theta, encoded, last))[2]
        rows.append([sheets.hidden(truth, mask), coarse, wholes[-1], truth])
    sheets.write(path, rows)
    return float(-10 * torch.log10(torch.stack(errors)).mean())


def train(options):
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    log, stop = running.Log(f'{options.out}/log.jsonl'), running.Stop()
    material, held_out = media(options, 'train'), media(options, 'held-out')
    weights = objectives.Weights(**{f.name: getattr(options, f'weight_{f.name}')
                                    for f in dataclasses.fields(objectives.Weights)})
    homography = Homography()
    homography.load_state_dict(torch.load(options.homography, map_location='cpu'))
    network, shown = (recursion.Learner().to(memory_format=torch.channels_last) for _ in range(2))
    for name, value in network.named_parameters():
        value.requires_grad_(name.startswith(tuple(options.only)))
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad],
                                 options.rate, (.9, .999))
    adversaries = objectives.Adversaries(weights, options.rate)
    critics = adversaries.optimizer
    average = None                                        # of the weights: what is evaluated
    state, step = running.load(f'{options.out}/checkpoint.pt'), 0
    if state:
        network.load_state_dict(state['network'])
        optimizer.load_state_dict(state['optimizer'])
        adversaries.parts.load_state_dict(state['critics'])
        if critics:
            critics.load_state_dict(state['critics_optimizer'])
        average, step = state['average'], state['step']
    elif options.start:
        network.load_state_dict(torch.load(options.start, map_location='cpu'))
    average = average or {k: v.clone() for k, v in network.state_dict().items()}
    log.write(event='start', step=step, photographs=len(material[0]), clips=len(material[1]),
              objects=len(material[2]), held_out=[len(x) for x in held_out])

    def make(at):
        count, targets, references = shape(options, at)
        return clips.batch(options.seed, at, material, count, options.size, targets, references)

    def keep():
        running.save(f'{options.out}/checkpoint.pt', {
            'network': network.state_dict(), 'optimizer': optimizer.state_dict(),
            'critics': adversaries.parts.state_dict(),
            'critics_optimizer': critics.state_dict() if critics else None,
            'average': average, 'step': step})
        running.save(f'{options.out}/inpainter.pt', average)

    def show():
        shown.load_state_dict(average)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=options.bfloat16):
            psnr = judge(shown, homography, options, held_out, f'{options.out}/{step:06d}.png')
        log.write(step=step, held_out_hole_psnr=psnr)

    data = running.Prefetch(make, step)
    show()
    saved = logged = time.time()
    first, entries, made, waited = step, [], 0, 0.0
    last = min(options.steps, step + (options.stop_after or options.steps))
    while step < last and not stop.asked:
        rate = running.cosine(step, options.steps, options.rate)
        for group in optimizer.param_groups + (critics.param_groups if critics else []):
            group['lr'] = rate
        batch = data.get()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=options.bfloat16):
            theta = recursion.transforms(homography, batch)
            terms, wholes = learn(network, adversaries, batch, theta, weights)
            terms.update(adversaries.learn(batch, wholes))
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(.998, step / (step + 20))
        for name, value in network.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        entries.append(terms)
        made += batch.frames.shape[0] * batch.frames.shape[1]
        now = time.time()
        if now - logged > options.log_every or step == last:
            names = dict.fromkeys(name for entry in entries for name in entry)
            means = {name: sum(e.get(name, 0) for e in entries) / len(entries) for name in names}
            log.write(step=step, recursion=batch.frames.shape[1], loss=weighted(
                {k: v for k, v in means.items() if hasattr(weights, k)}, weights), **means,
                rate=rate, samples_a_second=made / (now - logged),
                share_in_data=(data.waited - waited) / (now - logged))
            logged, waited, entries, made = now, data.waited, [], 0
        if now - saved > options.save_every:
            keep()
            show()
            saved = logged = time.time()
    keep()
    show()
    log.write(event='end', step=step, made=step - first)
    data.close()


if __name__ == '__main__':
    train(arguments())
