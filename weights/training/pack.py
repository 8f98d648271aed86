"""Packs photographs, clips and masks into one small file, which training reads without OpenCV.

    python3 weights/training/pack.py DATA PACK.npz

DATA holds images/, clips/ and masks/, with any files in any folders. Photographs and clips become
square crops, coded as in JPEG (`blocks.py`); masks are stretched to squares of bits. A fixed tenth
of the files, whose name hashes to 0 modulo 10, is marked as held out: never trained on.
"""
import argparse
import hashlib
import pathlib

import cv2
import numpy as np
import torch

import blocks
from media import MASK, STEPS

IMAGES = {'.webp', '.jpg', '.jpeg', '.png', '.bmp'}
CLIPS = {'.mp4', '.webm', '.mkv', '.mov', '.avi'}


def number(path):
    """Of a file's name, without order: it decides what is held out, and what is left out."""
    return int(hashlib.sha1(pathlib.Path(path).stem.encode()).hexdigest(), 16)


def files(folder, suffixes):
    found = sorted(p for p in pathlib.Path(folder).rglob('*') if p.suffix.lower() in suffixes)
    assert not any('dev' in p.relative_to(folder).parts for p in found), 'dev only evaluates'
    return found


def crop(image, side, at):
    """A square of `side` pixels of an RGB image, as much of it as there is; never enlarged, but to
    that side. `at`, 0 to 1, says where along the longer side."""
    short = min(image.shape[:2])
    y, x = (int(at * (n - short)) for n in image.shape[:2])
    square = image[y:y + short, x:x + short, ::-1]
    return cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)


def photographs(folder, side, most):
    """-> (n, side, side, 3) and their paths."""
    found, paths = [], []
    for path in sorted(files(folder, IMAGES), key=number):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR) if len(found) < most else None
        if image is not None and min(image.shape[:2]) >= 64:
            found.append(crop(image, side, number(path) % 97 / 96))
            paths.append(path)
    assert found, f'no photographs in {folder}'
    return np.stack(found), paths


def clips(folder, side, frames):
    """Lists of frames (t, side, side, 3) and paths; clips of fewer than 8 frames are left out."""
    found, paths = [], []
    for path in files(folder, CLIPS):
        video, clip = cv2.VideoCapture(str(path)), []
        while len(clip) < frames:
            more, frame = video.read()
            if not more:
                break
            clip.append(crop(frame, side, number(path) % 97 / 96))
        if len(clip) >= 8:
            found.append(np.stack(clip))
            paths.append(path)
    return found, paths


def masks(folder, frames):
    """Lists of (t, MASK, MASK) and paths: a folder is a sequence, a lone mask has t = 1."""
    groups = {}
    for path in files(folder, IMAGES):
        groups.setdefault(path if 'single' in path.parts else path.parent, []).append(path)
    found, kept = [], []
    for key, paths in sorted(groups.items()):
        read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths[:frames]]
        read = [cv2.resize((mask > 0) * 1., (MASK, MASK), interpolation=cv2.INTER_AREA) >= .5
                for mask in read if mask is not None]
        if read and read[0].any():
            found.append(np.stack(read))
            kept.append(key)
    return found, kept


def coded(frames):
    """Coefficients of frames (n, h, w, 3) in one byte each: (3, 64, n, blocks)."""
    made = []
    for some in np.array_split(frames, -(-len(frames) // 64)):
        x = torch.from_numpy(np.ascontiguousarray(some)).permute(0, 3, 1, 2).float()
        x = blocks.coefficients(x) / blocks.steps(*STEPS, x.device)
        made.append(x.round().clamp(-127, 127).to(torch.int8).permute(1, 2, 0, 3).numpy())
    return np.concatenate(made, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--photographs', type=int, default=1800, help='at most, chosen by name')
    parser.add_argument('--frames', type=int, default=32, help='at most, of a clip or a sequence')
    parser.add_argument('--side', type=int, default=224, help='of photographs, a multiple of 8')
    parser.add_argument('--clip-side', type=int, default=192, help='of clips, a multiple of 8')
    parser.add_argument('data', type=pathlib.Path)
    parser.add_argument('pack', type=pathlib.Path)
    options = parser.parse_args()
    stills, paths = photographs(options.data / 'images', options.side, options.photographs)
    moving, moving_paths = clips(options.data / 'clips', options.clip_side, options.frames)
    shapes, shape_paths = masks(options.data / 'masks', options.frames)

    def held_out(paths):
        return np.array([number(path) % 10 == 0 for path in paths])

    def lengths(parts):
        return np.array([len(part) for part in parts])
    np.savez_compressed(
        options.pack, photographs=coded(stills), photographs_held_out=held_out(paths),
        clips=coded(np.concatenate(moving)), clips_lengths=lengths(moving),
        clips_held_out=held_out(moving_paths), masks=np.packbits(np.concatenate(shapes), 2),
        masks_lengths=lengths(shapes), masks_held_out=held_out(shape_paths))
    print(f'{options.pack}: {options.pack.stat().st_size / 1e6:.1f} MB, {len(paths)} photographs, '
          f'{len(moving)} clips, {len(shapes)} masks and sequences of masks')


if __name__ == '__main__':
    main()
