"""Trains the inpainter, on a GPU or on CPUs, by the clock. Resumes where it stopped.

    python3 weights/training/train_inpainter.py --pack PACK.npz --out RUN --seconds 420 \\
        [--start weights/align-and-attend.safetensors] [--smoke]

The discriminators join after a warm-up; the recursion grows all along. With --references 0 it
learns from single images, without align and attend.
"""
import argparse
import contextlib
import dataclasses
import json
import math
import pathlib
import time

import torch

import clips
import devices
import media
import objectives
import recursion
import running
import sheets
from model import Homography, Inpainter
from running import convert

SHIPPED = pathlib.Path(__file__).resolve().parents[1] / 'align-and-attend.safetensors'


def arguments():
    parser = devices.arguments(argparse.ArgumentParser(description=__doc__.split('\n')[0]))
    parser.add_argument('--homography', default=SHIPPED, help='its weights; frozen')
    parser.add_argument('--size', type=int, default=160, help='pixels, a multiple of 16')
    parser.add_argument('--clips', type=int, default=16, help='of a step')
    parser.add_argument('--references', type=int, default=4)
    parser.add_argument('--recursion', type=int, default=4, help='targets of a clip at first')
    parser.add_argument('--longest', type=int, default=8, help='and at last')
    parser.add_argument('--warm-up', type=float, default=.15,
                        help='share of the run after which the discriminators learn; they count '
                             'fully after twice that')
    parser.add_argument('--only', nargs='+', default=[''], metavar='PREFIX',
                        help='of the names of what is trained')
    parser.add_argument('--rate', type=float, default=2e-4)
    for field in dataclasses.fields(objectives.Weights):
        parser.add_argument(f'--weight-{field.name.replace("_", "-")}', type=float,
                            default=field.default, dest=f'weight_{field.name}')
    parser.add_argument('--smoke', action='store_true',
                        help='20 seconds that touch everything, a resumed start too')
    return devices.parse(parser)


def shape(options, progress):
    """Targets and references of a clip."""
    if options.references == 0:
        return 1, 0
    more = max(options.longest - options.recursion, 0)
    return options.recursion + min(int(progress * (more + 1)), more), options.references


def weighted(terms, weights):
    return sum(getattr(weights, name) * value for name, value in terms.items()
               if getattr(weights, name))


def learn(network, adversaries, batch, theta, weights):
    """Gradients of all objectives over a batch of clips. -> the terms, the outputs."""
    network.alone = batch.alone
    encoded = recursion.EncodedReferences(network, batch)
    sums, wholes = {}, []
    count = batch.frames.shape[1]
    for t, (output, raw, moved, whole) in enumerate(recursion.run(network, batch, theta, encoded)):
        truth, mask = batch.frames[:, t], batch.masks[:, t]
        terms = objectives.frame_terms(output.float(), raw.float(), truth, mask, network.filled,
                                       network.known)
        terms.update(objectives.coarse_terms(network.attended, network.wanted, network.filled,
                                             truth, mask))
        if moved is not None:
            terms.update(objectives.motion_terms(output.float(), truth, batch.frames[:, t - 1],
                                                 mask, moved, batch.flow[:, t]))
        wholes.append(whole.float())
        if adversaries:
            terms.update(adversaries.terms(batch, wholes, t))
        (weighted(terms, weights) / count).backward()
        wholes[-1] = wholes[-1].detach()
        for name, value in terms.items():
            sums[name] = sums.get(name, 0) + value.detach() / count
    encoded.backward()
    return sums, wholes


@torch.no_grad()
def judge(network, homography, options, held_out, path):
    """PSNR in the holes of clips that are never trained on, and a sheet of pictures of them."""
    targets = 4 if options.references else 1
    batch = clips.batch(99, 0, held_out, 8, options.size, targets, options.references)
    theta = recursion.transforms(homography, batch)
    network.alone = torch.zeros_like(batch.alone)
    encoded = recursion.EncodedReferences(network, batch)
    *_, (*_, whole) = recursion.run(network, batch, theta, encoded)
    truth, mask = batch.frames[:, -1], batch.masks[:, -1]
    sheets.write(path, [sheets.hidden(truth, mask), network.filled, whole, truth])
    off = ((whole.float() - truth) / 2).square() * mask
    off = off.sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3))).clamp(min=1)
    return float(-10 * torch.log10(off.clamp(min=1e-6)).mean())


def train(options):
    device = devices.prepare(options)
    log, stop = running.Log(f'{options.out}/log.jsonl'), running.Stop()
    material, held_out = media.load(options.pack, device)
    weights = objectives.Weights(**{f.name: getattr(options, f'weight_{f.name}')
                                    for f in dataclasses.fields(objectives.Weights)})
    homography = Homography()
    homography_state = convert.state(options.homography, 'homography')
    homography.load_state_dict(homography_state)
    homography.to(device).requires_grad_(False)
    network, shown = (recursion.Learner().to(device, memory_format=torch.channels_last)
                      for _ in range(2))
    for name, value in network.named_parameters():
        value.requires_grad_(name.startswith(tuple(options.only)))
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad],
                                 options.rate, (.9, .999))
    adversaries = objectives.Adversaries(weights, options.rate, device)
    critics = adversaries.optimizer
    state, step, average = running.load(f'{options.out}/checkpoint.pt'), 0, None
    if state:
        network.load_state_dict(state['network'])
        optimizer.load_state_dict(state['optimizer'])
        adversaries.parts.load_state_dict(state['critics'])
        if critics:
            critics.load_state_dict(state['critics_optimizer'])
        average, step = state['average'], state['step']
    elif options.start:
        network.load_state_dict(convert.state(options.start, 'inpainter'))
    average = {k: v.to(device, copy=True) for k, v in (average or network.state_dict()).items()}
    log.write(event='start', step=step, device=str(device), pytorch=torch.__version__,
              **{f.name: [len(getattr(x, f.name)) for x in (material, held_out)]
                 for f in dataclasses.fields(material)})

    def keep():
        running.save(f'{options.out}/checkpoint.pt', {
            'network': network.state_dict(), 'optimizer': optimizer.state_dict(),
            'critics': adversaries.parts.state_dict(),
            'critics_optimizer': critics.state_dict() if critics else None,
            'average': average, 'step': step, 'elapsed': clock.elapsed()})
        running.save(f'{options.out}/inpainter.pt', average)
        convert.write_safetensors(
            f'{options.out}/align-and-attend.safetensors', convert.half(homography_state, average),
            convert.metadata(convert.config(homography_state, average),
                             f'weights/training, {step} steps of {options.clips} clips'))

    def show():
        shown.load_state_dict(average)
        with devices.autocast(options):
            psnr = judge(shown, homography, options, held_out, f'{options.out}/{step:06d}.png')
        log.write(step=step, held_out_hole_psnr=psnr)

    show()
    clock = running.Clock(options.steps, options.seconds, state.get('elapsed', 0) if state else 0)
    saved = logged = time.time()
    first, entries, made, making = step, [], 0, 0.
    checked = devices.Explicit if options.smoke else contextlib.nullcontext
    while clock.progress(step) < options.stop_after and not stop.asked:
        progress = clock.progress(step)
        gan = min(max(progress / max(options.warm_up, 1e-6) - 1, 0), 1)
        joined = critics and progress >= options.warm_up
        asked = dataclasses.replace(weights, image_gan=gan * weights.image_gan,
                                    video_gan=gan * weights.video_gan)
        with checked(), devices.autocast(options):
            began = time.time()
            batch = clips.batch(options.seed, step, material, options.clips, options.size,
                                *shape(options, progress))
            making += time.time() - began
            theta = recursion.transforms(homography, batch)
            terms, wholes = learn(network, adversaries if joined else None, batch, theta, asked)
            terms.update(adversaries.learn(batch, wholes) if joined else {})
        rate = running.cosine(progress, options.rate)
        for name, each in (('finite', optimizer), ('finite_critics', joined and critics)):
            if each:
                running.set_rate(each, rate)
                terms[name] = running.descend(each)
        step += 1
        running.follow(average, network, step)
        entries.append(terms)
        made += batch.frames.shape[0] * batch.frames.shape[1]
        passed = time.time() - logged
        if passed > options.log_every:
            mean = running.means(entries)
            loss = weighted({k: v for k, v in mean.items() if hasattr(weights, k)}, asked)
            log.write(step=step, progress=progress, recursion=batch.frames.shape[1], loss=loss,
                      **mean, rate=rate, samples_a_second=made / passed,
                      share_in_data=making / passed)
            logged, entries, made, making = time.time(), [], 0, 0.
        if time.time() - saved > options.save_every:
            keep()
            show()
            saved = time.time()
    keep()
    show()
    log.write(event='end', step=step, made=step - first, seconds=clock.elapsed())


def smoke(options):
    """Half of the time, then the rest from the checkpoint; everything has to have been there."""
    assert not pathlib.Path(f'{options.out}/log.jsonl').exists(), '--smoke needs a new folder --out'
    options.seconds, options.steps, options.save_every, options.log_every = 20, None, 5, 0
    for options.stop_after in (.5, 1):
        train(options)
    entries = [json.loads(line) for line in open(f'{options.out}/log.jsonl')]
    terms = [entry for entry in entries if 'loss' in entry]
    for name in (*(f.name for f in dataclasses.fields(objectives.Weights)), 'image_critic',
                 'video_critic'):
        assert any(entry.get(name, 0) > 0 for entry in terms), f'there was no {name}'
    assert all(math.isfinite(entry['loss']) and entry['finite'] == 1 for entry in terms)
    assert sum(entry.get('event') == 'start' and entry['step'] > 0 for entry in entries) == 1
    made = convert.state(f'{options.out}/align-and-attend.safetensors', 'inpainter')
    Inpainter().load_state_dict(made)
    print(f'smoke: {len(terms)} steps on {options.device}, PyTorch {torch.__version__}')


if __name__ == '__main__':
    given = arguments()
    (smoke if given.smoke else train)(given)
