"""Writes the state dicts of a homography and an inpainter as one safetensors file in float16.

    python3 weights/convert.py homography.pt inpainter.pt out.safetensors "where they come from"
"""
import json
import pathlib
import struct
import sys

import numpy as np
import torch

LEVELS = [[4, 4, 1.5], [2, 4, 1.5], [1, 4, 1.5]]  # of the refinement: pixels of a cell, steps, robustness


def write_safetensors(path, tensors, metadata):
    """Length of the header (8 bytes, little endian), header in JSON, values in its order."""
    names = {torch.float16: 'F16', torch.float32: 'F32'}
    header, data = {'__metadata__': metadata}, b''
    for name, tensor in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {'dtype': names[tensor.dtype], 'shape': list(tensor.shape),
                        'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + data)


def read_safetensors(path):
    """Metadata, and tensors as float32."""
    types = {'F16': np.float16, 'F32': np.float32}
    raw = pathlib.Path(path).read_bytes()
    length, = struct.unpack('<Q', raw[:8])
    header = json.loads(raw[8:8 + length])
    metadata, tensors = header.pop('__metadata__'), {}
    for name, entry in header.items():
        begin, end = (8 + length + at for at in entry['data_offsets'])
        values = np.frombuffer(raw[begin:end], types[entry['dtype']]).astype(np.float32)
        tensors[name] = torch.from_numpy(values).reshape(entry['shape'])
    return metadata, tensors


def state(path, part):
    """The state dict of 'homography' or 'inpainter': a .pt file, or that part of a safetensors file."""
    if pathlib.Path(path).suffix != '.safetensors':
        return torch.load(path, map_location='cpu')
    return {name[len(part) + 1:]: value for name, value in read_safetensors(path)[1].items()
            if name.startswith(part + '.')}


def config(homography, inpainter):
    """Sizes of the network, read off the weights, and the constants they were trained with."""
    return {
        'homography': {
            'width': len(homography['encoder.layers.0.weight']),
            'hidden': len(homography['r0.weight']),
            'size': 128,
            'grid': int(homography['r0.weight'].shape[1] ** .5),
            'iterations': 2,
            'levels': LEVELS,
        },
        'inpainter': {
            'width': len(inpainter['encoder.layers.0.weight']),
            'flow_width': len(inpainter['flow_encoder.layers.0.weight']),
        },
    }


def half(homography, inpainter):
    """All tensors under the names of the file, in float16."""
    parts = {'homography': homography, 'inpainter': inpainter}
    tensors = {f'{part}.{name}': value.half().cpu()
               for part, state in parts.items() for name, value in state.items()}
    for name, value in tensors.items():
        assert torch.isfinite(value).all(), f'{name} does not fit float16'
    return tensors


def metadata(sizes, provenance):
    return {'format': 'align-and-attend', 'format_version': '3', 'config': json.dumps(sizes),
            'provenance': provenance}


if __name__ == '__main__':
    states = [state(path, part) for path, part in zip(sys.argv[1:], ('homography', 'inpainter'))]
    write_safetensors(sys.argv[3], half(*states), metadata(config(*states), sys.argv[4]))
