"""What is trained on, read from a pack (`pack.py`) and kept on the device."""
import dataclasses

import numpy as np
import torch

import blocks

STEPS = (8, 2)                        # of the quantisation in the pack
MASK = 128                            # pixels of a mask's side


@dataclasses.dataclass
class Sequences:
    """Frames of all sequences one after another, on the device; where each starts, on the host."""
    frames: torch.Tensor              # all c h w, bytes
    starts: np.ndarray
    lengths: np.ndarray

    def __len__(self):
        return len(self.starts)

    def part(self, which):
        """Some of the sequences; their frames are shared."""
        return Sequences(self.frames, self.starts[which], self.lengths[which])

    def at(self, which, times):
        """Frames `times` (n, f), at most the last, of the sequences `which` (n) -> n f c h w."""
        times = np.minimum(times, self.lengths[which][:, None] - 1)
        rows = torch.as_tensor(self.starts[which][:, None] + times, device=self.frames.device)
        return self.frames[rows].float()


@dataclasses.dataclass
class Media:
    photographs: Sequences            # of one frame each
    clips: Sequences
    masks: Sequences                  # 1 inside


def decoded(data, device):
    """Square frames (n, 3, h, h) in bytes out of what `pack.coded` made."""
    side = round(data.shape[3] ** .5) * 8
    made = []
    for some in torch.from_numpy(data).split(64, 2):
        x = some.to(device).permute(2, 0, 1, 3) * blocks.steps(*STEPS, device)
        made.append(blocks.frames(x, side, side).round().to(torch.uint8))
    return torch.cat(made)


def load(path, device):
    """-> what is trained on, and what is held out."""
    with np.load(path) as pack:
        frames = {'photographs': decoded(pack['photographs'], device),
                  'clips': decoded(pack['clips'], device)}
        bits = np.unpackbits(pack['masks'], 2)
        frames['masks'] = torch.from_numpy(bits).to(device).unsqueeze(1)
        held = {name: pack[f'{name}_held_out'] for name in frames}
        lengths = {name: pack[f'{name}_lengths'] for name in ('clips', 'masks')}
    lengths['photographs'] = np.ones(len(held['photographs']), int)
    every = {name: Sequences(x, np.cumsum(lengths[name]) - lengths[name], lengths[name])
             for name, x in frames.items()}
    return [Media(**{name: part.part(held[name] == out) for name, part in every.items()})
            for out in (False, True)]
