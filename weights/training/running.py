"""What every training loop needs: a clock, a checkpoint that can be resumed, a log."""
import json
import math
import os
import pathlib
import signal
import sys
import time

import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import convert  # noqa: E402, F401


class Clock:
    """How far a run is, by steps, seconds, or what comes first; time of earlier starts counts.
    However slow, it has a few steps, or it would leave out some of its phases."""
    least = 10

    def __init__(self, steps, seconds, elapsed=0.):
        self.steps, self.seconds, self.began = steps, seconds, time.time() - elapsed

    def elapsed(self):
        return time.time() - self.began

    def progress(self, step):
        """0 to 1."""
        by_steps = step / self.steps if self.steps else 0
        by_seconds = self.elapsed() / self.seconds if self.seconds else 0
        return min(max(by_steps, min(by_seconds, step / self.least)), 1)


class Stop:
    """Set by SIGTERM and SIGINT: the loop then saves and ends."""

    def __init__(self):
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.ask)

    def ask(self, *_):
        self.asked = True


def save(path, state):
    """Whole or not at all: written beside the old checkpoint, then renamed."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, str(path) + '.partial')
    os.replace(str(path) + '.partial', path)


def load(path):
    return torch.load(path, map_location='cpu') if pathlib.Path(path).exists() else None


class Log:
    """A line of JSON per entry, to the file and to the terminal."""

    def __init__(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(path, 'a', buffering=1)

    def write(self, **entry):
        line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in entry.items()})
        self.file.write(line + '\n')
        print(line, flush=True)


def cosine(progress, peak, floor=.02):
    """Learning rate: a warm-up of a fiftieth of the run, then half a cosine down to `floor` of the
    peak."""
    share = floor + (1 - floor) * .5 * (1 + math.cos(math.pi * progress))
    return peak * share * min(1, (progress + .001) / .02)


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group['lr'] = rate


def descend(optimizer):
    """A step by clipped gradients, which are then dropped. -> 1 where they were finite; else there
    is no step."""
    parameters = [p for group in optimizer.param_groups for p in group['params']]
    finite = bool(torch.isfinite(torch.nn.utils.clip_grad_norm_(parameters, 1.0)))
    if finite:
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(finite)


@torch.no_grad()
def follow(average, network, step):
    """The running average of the weights: what is evaluated."""
    decay = min(.998, step / (step + 20))
    for name, value in network.state_dict().items():
        average[name].lerp_(value, 1 - decay)


def means(entries):
    """Of what was noted in each step, numbers or tensors on a device; 0 where it was not."""
    names = dict.fromkeys(name for entry in entries for name in entry)
    return {name: float(sum(entry.get(name, 0) for entry in entries) / len(entries))
            for name in names}
