"""What one would do without a network: OpenCV's inpainting, and copying under a homography."""
import cv2
import numpy as np


def telea(frames, masks):
    """Each frame by itself."""
    return [patch(frame, mask) for frame, mask in zip(frames, masks)]


def patch(frame, mask):
    filled = cv2.inpaint(frame, mask.astype(np.uint8) * 255, 5, cv2.INPAINT_TELEA)
    return np.where(mask[..., None], filled, frame)


def estimate(a, b):
    """Homography from a to b out of ORB features, or None."""
    if a[1] is None or b[1] is None:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, True).match(a[1], b[1])
    if len(pairs) < 12:
        return None
    here, there = (np.float32(points) for points in zip(
        *((a[0][m.queryIdx].pt, b[0][m.trainIdx].pt) for m in pairs)))
    matrix, kept = cv2.findHomography(here, there, cv2.RANSAC, 3)
    return matrix if matrix is not None and kept.sum() >= 10 else None


def homography(frames, masks):
    """What the nearest frame that shows a pixel shows there; the rest is inpainted."""
    orb = cv2.ORB_create(1500)
    features = [orb.detectAndCompute(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY),
                                     (~mask).astype(np.uint8) * 255)
                for frame, mask in zip(frames, masks)]
    return [copy(frames, masks, features, t) for t in range(len(frames))]


def copy(frames, masks, features, t):
    out, left = frames[t].copy(), masks[t].copy()
    out[left] = 0
    size = left.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    lent = [r for r in range(len(frames)) if r != t and (r % 5 == 0 or abs(r - t) < 5)]
    for r in sorted(lent, key=lambda r: abs(r - t)):
        if not left.any():
            break
        matrix = estimate(features[t], features[r])
        if matrix is None:
            continue
        shown = cv2.warpPerspective(frames[r], matrix, size, flags=flags)
        seen = cv2.warpPerspective((~masks[r]).astype(np.uint8) * 255, matrix, size, flags=flags)
        used = left & (seen > 250)
        out[used] = shown[used]
        left &= ~used
    return patch(out, left) if left.any() else out
