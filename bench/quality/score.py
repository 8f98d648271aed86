"""How near a result is to the truth. Frames are BGR of uint8, masks are true inside the hole."""
import cv2
import numpy as np

FIGURES = ('PSNR', 'SSIM', 'hole', 'Ewarp', 'Ehole', 'outside')


def psnr(square):
    return 10 * np.log10(255 ** 2 / max(square, 1e-10))


def ssim(a, b):
    """Structural similarity, Gaussian window of 11 pixels, mean of the three colours."""
    def blur(x):
        return cv2.GaussianBlur(x, (11, 11), 1.5)
    a, b = a.astype(np.float64), b.astype(np.float64)
    c1, c2 = (.01 * 255) ** 2, (.03 * 255) ** 2
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    return (((2 * ma * mb + c1) * (2 * cov + c2))
            / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean()


def warp(image, flow):
    y, x = np.mgrid[0:flow.shape[0], 0:flow.shape[1]].astype(np.float32)
    return cv2.remap(image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)


def flows(truth):
    """From each frame but the first to the one before it, and where both directions agree."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in truth]
    found = []
    for a, b in zip(grey[:-1], grey[1:]):
        back, there = estimator.calc(b, a, None), estimator.calc(a, b, None)
        there = warp(there, back)
        length = (there ** 2).sum(-1) + (back ** 2).sum(-1)
        found.append((back, ((there + back) ** 2).sum(-1) <= .01 * length + .5))
    return found


def score(frames, truth, masks, motion):
    """PSNR and SSIM of whole frames, PSNR in the hole, warping error x 1e-3 whole and in the hole
    (where the flow of the truth is visible in both frames), and the largest change outside."""
    square = [(a.astype(np.float32) - b) ** 2 for a, b in zip(frames, truth)]
    holes = [psnr(e[m].mean()) for e, m in zip(square, masks) if m.sum() > 20]
    outside = [np.abs(a.astype(int) - b)[~m].max() for a, b, m in zip(frames, truth, masks)]
    whole, inside = [], []
    for t, (flow, seen) in enumerate(motion):
        before = warp(frames[t], flow).astype(np.float32)
        off = ((frames[t + 1].astype(np.float32) - before) / 255) ** 2
        whole.append(off[seen].mean())
        seen = seen & masks[t + 1]
        if seen.sum() > 20:
            inside.append(off[seen].mean())
    similar = np.mean([ssim(a, b) for a, b in zip(frames, truth)])
    return (np.mean([psnr(e.mean()) for e in square]), similar, np.mean(holes),
            np.mean(whole) * 1e3, np.mean(inside) * 1e3, max(outside))
