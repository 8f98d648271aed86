"""PyTorch as a peer: makes and times nothing itself, does what pytorch.ts asks line by line.

    python3 bench/peers/pytorch.py cpu|cuda threads

With 0 threads PyTorch takes as many as it does by itself.

Each line is a JSON object; each is answered by one line when it is done.
"""

import json
import sys

import torch
import torch.nn.functional as F


def convolution(device, n, h, w, c, o, kernel, stride, dilation, leakyRelu):
    """One call of a convolution as PyTorch runs it best: channels last, float16 on a GPU."""
    settings = {"device": device, "dtype": torch.float16 if device == "cuda" else torch.float32}
    x = torch.rand(n, c, h, w, **settings).contiguous(memory_format=torch.channels_last)
    weight = torch.rand(o, c, kernel, kernel, **settings).contiguous(
        memory_format=torch.channels_last
    )
    bias = torch.rand(o, **settings)
    padding = dilation * (kernel // 2)

    def call():
        y = F.conv2d(x, weight, bias, stride, padding, dilation)
        return F.leaky_relu_(y, 0.2) if leakyRelu else y

    return call


def main(device, threads):
    if int(threads) > 0:  # it refuses 0
        torch.set_num_threads(int(threads))
    torch.backends.cudnn.benchmark = True  # tries all algorithms of cuDNN, keeps the fastest
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(json.dumps({"version": torch.__version__, "device": name}), flush=True)
    call = None
    for line in sys.stdin:
        request = json.loads(line)
        if "shape" in request:
            call = convolution(device, **request["shape"])
        for _ in range(request.get("calls", 0)):
            call()
        if device == "cuda":
            torch.cuda.synchronize()
        print("{}", flush=True)


with torch.inference_mode():
    main(*sys.argv[1:])
