#!/usr/bin/env python3
"""What plain tools reach where bench/track/run.ts scores ours: baselines.py DIR. Needs Debian's python3-opencv.

From the first frame's true mask: carried by optical flow (OpenCV's DIS, and Farneback's), from frame to frame; and
GrabCut on each frame, begun with the mask before it.
"""
import pathlib
import sys

import cv2
import numpy as np


def carry(flow_of):
    def follow(frames, mask):
        grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
        y, x = np.mgrid[:mask.shape[0], :mask.shape[1]].astype(np.float32)
        soft = mask.astype(np.float32)
        for before, now in zip(grey, grey[1:]):
            flow = flow_of(now, before)
            soft = cv2.remap(soft, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)
            yield soft > 0.5
    return follow


def grabcut(frames, mask):
    for frame in frames[1:]:
        labels = np.full(mask.shape, cv2.GC_BGD, np.uint8)
        labels[cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0] = cv2.GC_PR_BGD
        labels[mask] = cv2.GC_PR_FGD
        if mask.any():
            cv2.grabCut(frame, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
            mask = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
        yield mask


dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
methods = {
    'DIS': carry(lambda now, before: dis.calc(now, before, None)),
    'Farneback': carry(lambda now, before: cv2.calcOpticalFlowFarneback(now, before, None, 0.5, 4, 15, 3, 5, 1.2, 0)),
    'GrabCut': grabcut,
}
print('sequence'.ljust(20), '  '.join(methods))
table = []
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    frames = [cv2.imread(str(path)) for path in sorted((folder / 'frames').iterdir())]
    truth = [cv2.imread(str(path), 0) > 127 for path in sorted((folder / 'masks').iterdir())]
    row = []
    for follow in methods.values():
        scores = [(a & b).sum() / max(1, (a | b).sum()) for a, b in zip(follow(frames, truth[0]), truth[1:])]
        row.append(np.mean(scores))
    table.append(row)
    print(folder.name.ljust(20), '  '.join(f'{v:.3f}' for v in row))
print('mean'.ljust(20), '  '.join(f'{v:.3f}' for v in np.mean(table, 0)))
