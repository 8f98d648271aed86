"""Sheets of pictures: a row an example, a column a stage."""
import pathlib
import struct
import zlib

import numpy as np


def hidden(frame, mask):
    """The frame with a grey hole."""
    return frame * (1 - mask)


def png(pixels):
    """A PNG of RGB (h, w, 3)."""
    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack('>I', len(data)) + name + data + struct.pack('>I', check)
    h, w, _ = pixels.shape
    rows = np.insert(pixels.reshape(h, -1), 0, 0, 1)      # each with its filter: none
    return b'\x89PNG\r\n\x1a\n' + b''.join((
        chunk(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 0)),
        chunk(b'IDAT', zlib.compress(rows.tobytes())), chunk(b'IEND', b'')))


def write(path, columns):
    """Columns of frames (n, 3, h, w) in [-1, 1]."""
    picture = np.hstack([frames.permute(0, 2, 3, 1).flatten(0, 1).float().cpu().numpy()
                         for frames in columns])
    pixels = np.clip(picture * 127.5 + 127.5, 0, 255).round().astype(np.uint8)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_bytes(png(pixels))
