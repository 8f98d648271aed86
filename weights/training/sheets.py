"""Sheets of pictures: a row an example, a column a stage."""
import pathlib

import cv2
import numpy as np


def hidden(frame, mask):
    """The frame with a grey hole."""
    return frame * (1 - mask)


def write(path, rows):
    """Rows of frames (1, 3, h, w) in [-1, 1], as a PNG."""
    lines = [np.hstack([picture[0].permute(1, 2, 0).float().numpy() for picture in row])
             for row in rows]
    pixels = np.clip(np.vstack(lines) * 127.5 + 127.5, 0, 255).round().astype(np.uint8)
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels[..., ::-1])
