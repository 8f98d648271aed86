"""Where tensors are made and how exactly: the same code trains on CPUs and on CUDA GPUs."""
import argparse
import os

import torch
from torch.overrides import TorchFunctionMode

FACTORIES = {getattr(torch, name) for name in (
    'arange', 'as_tensor', 'empty', 'eye', 'from_numpy', 'full', 'linspace', 'ones', 'rand',
    'randint', 'randn', 'randperm', 'tensor', 'zeros')}
TO_HOST = {torch.Tensor.numpy, torch.Tensor.cpu, torch.Tensor.__array__, torch.Tensor.tolist}


def arguments(parser):
    """What both trainings ask for."""
    parser.add_argument('--pack', required=True, help='what pack.py made')
    parser.add_argument('--out', required=True, help='folder of the run')
    parser.add_argument('--start', help='weights to start from: a state dict or a safetensors file')
    parser.add_argument('--seconds', type=float, help='of training, and/or')
    parser.add_argument('--steps', type=int, help='at most')
    parser.add_argument('--stop-after', type=float, default=1,
                        help='end this start after a share of the whole')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--bfloat16', action='store_true',
                        help='always so on CUDA; on CPUs that compute it (AMX, avx512_bf16)')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--save-every', type=float, default=60, help='seconds')
    parser.add_argument('--log-every', type=float, default=10, help='seconds')
    return parser


def parse(parser: argparse.ArgumentParser):
    options = parser.parse_args()
    if not (options.seconds or options.steps or getattr(options, 'smoke', False)):
        parser.error('--seconds or --steps: when does it end?')
    return options


def prepare(options):
    """The device. Where bfloat16 is not asked for, float32 is float32, not TF32."""
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return device


def autocast(options):
    """Convolutions and matrix products in bfloat16, whose range needs no scaling of gradients."""
    kind = torch.device(options.device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=options.bfloat16 or kind == 'cuda')


class Explicit(TorchFunctionMode):
    """Fails where a tensor is made without saying on which device, or is taken to the host: what
    would fail, or wait, on a GPU, fails on a CPU too."""

    def __torch_function__(self, function, types, given=(), named=None):
        named = named or {}
        if function in FACTORIES and named.get('device') is None:
            raise AssertionError(f'torch.{function.__name__} without a device')
        if function in TO_HOST:
            raise AssertionError(f'{function.__name__} of a tensor while training')
        return function(*given, **named)
