"""What every training loop needs: prefetched batches, a checkpoint that can be resumed, a log."""
import concurrent.futures
import json
import os
import pathlib
import signal
import time

import torch


class Prefetch:
    """Makes the batch of step n + 1, n + 2 while step n trains; `waited` is time lost."""

    def __init__(self, make, first, ahead=2, workers=1):
        self.make, self.next, self.waited = make, first, 0.0
        self.pool = concurrent.futures.ThreadPoolExecutor(workers)
        self.queue = [self.pool.submit(make, first + i) for i in range(ahead)]

    def get(self):
        start = time.time()
        batch = self.queue.pop(0).result()
        self.waited += time.time() - start
        self.queue.append(self.pool.submit(self.make, self.next + len(self.queue) + 1))
        self.next += 1
        return batch

    def close(self):
        for job in self.queue:
            job.cancel()
        self.pool.shutdown()


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


def cosine(step, steps, peak, floor=.02):
    """Learning rate of a step: a short warm-up, then half a cosine down to `floor` of the peak."""
    warmup = max(min(100, steps // 20), 1)
    progress = min(step / max(steps, 1), 1)
    share = floor + (1 - floor) * .5 * (1 + torch.cos(torch.tensor(progress * 3.14159265)).item())
    return peak * share * min(1, (step + 1) / warmup)
