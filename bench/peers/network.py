"""The whole network in PyTorch on a moving clip: frames a second.

    python3 bench/peers/network.py cpu|cuda
"""

import json
import pathlib
import struct
import sys
import time

import torch

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "weights/training"))
from model import Homography, Inpainter, inpaint  # noqa: E402


def weights():
    """Tensors by name, float32."""
    raw = (root / "weights/align-and-attend.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    head = json.loads(raw[8 : 8 + length])
    data = torch.frombuffer(bytearray(raw[8 + length :]), dtype=torch.float16).float()
    made = {}
    for name, about in head.items():
        if name != "__metadata__":
            first, last = (at // 2 for at in about["data_offsets"])
            made[name] = data[first:last].reshape(about["shape"])
    return made


def clip(count, h, w):
    """Frames of waves that move, and a hole of about 12 % that moves the other way."""
    t = torch.arange(count).view(-1, 1, 1)
    y, x = torch.arange(h).view(1, -1, 1), torch.arange(w).view(1, 1, -1)
    frame = (0.11 * (x + 2 * t)).sin() * (0.07 * y).cos()
    inside = ((y - h / 2) / h) ** 2 + ((x - w * (0.5 - t / count / 4)) / w) ** 2 < 0.12 / 3.1416
    return frame[:, None].expand(-1, 3, -1, -1).contiguous(), inside[:, None].float()


def main(device):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    state = weights()
    torch.set_default_device(device)  # the model makes tensors of its own
    nets = []
    for kind, part in ((Homography, "homography."), (Inpainter, "inpainter.")):
        nets.append(kind())
        nets[-1].load_state_dict(
            {name[len(part) :]: it for name, it in state.items() if name.startswith(part)}
        )
    count = 24
    frames, masks = clip(count, 256, 256)
    near = [[t + d for d in range(-8, 9) if d and 0 <= t + d < count] for t in range(count)]
    for name in ("first run", "second run"):
        start = time.time()
        inpaint(*nets, frames, masks, near)
        if device == "cuda":
            torch.cuda.synchronize()
        rate = count / (time.time() - start)
        print(f"PyTorch {torch.__version__}, {device}, tf32, 256x256, {name}: {rate:.1f} frames/s", flush=True)


with torch.inference_mode():
    main(sys.argv[1])
