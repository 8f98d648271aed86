"""Photographs, clips and masks from folders, decoded once and kept in memory.

A fixed tenth of the files, whose name hashes to 0 modulo 10, is held out: never trained on.
"""
import hashlib
import pathlib

import cv2
import numpy as np

IMAGES = {'.webp', '.jpg', '.jpeg', '.png', '.bmp'}
CLIPS = {'.mp4', '.webm', '.mkv', '.mov', '.avi'}


def held_out(path):
    return int(hashlib.sha1(pathlib.Path(path).stem.encode()).hexdigest(), 16) % 10 == 0


def files(folder, suffixes, part):
    """Sorted paths under a folder; `part` is 'train', 'held-out' or 'all'."""
    found = sorted(p for p in pathlib.Path(folder).rglob('*') if p.suffix.lower() in suffixes)
    assert not any('dev' in p.relative_to(folder).parts for p in found), 'dev only evaluates'
    if part == 'all':
        return found
    return [p for p in found if held_out(p) == (part == 'held-out')]


def shrink(image, short_side):
    """Resizes by area so that the shorter side is `short_side`; never enlarges."""
    factor = short_side / min(image.shape[:2])
    if factor >= 1:
        return image
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def photographs(folder, part='train', short_side=224, limit=None):
    """RGB arrays of uint8."""
    images = []
    for path in files(folder, IMAGES, part)[:limit]:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is not None and min(image.shape[:2]) >= 64:
            images.append(np.ascontiguousarray(shrink(image, short_side)[..., ::-1]))
    assert images, f'no photographs in {folder}'
    return images


def clips(folder, part='train', short_side=160, frames=64, limit=None):
    """Arrays (t, h, w, 3) of uint8 RGB; clips of fewer than 8 frames are left out."""
    found = []
    for path in files(folder, CLIPS, part)[:limit]:
        video, clip = cv2.VideoCapture(str(path)), []
        while len(clip) < frames:
            more, frame = video.read()
            if not more:
                break
            clip.append(shrink(frame, short_side)[..., ::-1])
        if len(clip) >= 8:
            found.append(np.stack(clip))
    return found


def object_masks(folder, part='train', side=160, frames=48):
    """Arrays (t, h, w) of uint8, 1 inside: a folder is a sequence, a lone mask has t = 1."""
    groups = {}
    for path in files(folder, IMAGES, 'all'):
        alone = 'single' in path.parts
        groups.setdefault(path if alone else path.parent, []).append(path)
    found = []
    for key, paths in sorted(groups.items()):
        if held_out(key) != (part == 'held-out'):
            continue
        masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths[:frames]]
        masks = [shrink((m > 0).astype(np.uint8), side) for m in masks if m is not None]
        if masks and masks[0].any() and all(m.shape == masks[0].shape for m in masks):
            found.append(np.stack(masks))
    return found
