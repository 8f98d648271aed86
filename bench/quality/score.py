"""How near a result is to the truth. Frames are BGR of uint8, masks are true inside the hole."""
import cv2
import numpy as np

FIGURES = ('PSNR', 'SSIM', 'hole', 'Ewarp', 'Ehole', 'outside', 'energy', 'patches', 'around', 'change')
DIGITS = (2, 4, 2, 3, 3, 0, 3, 3, 3, 2)

PATCH, DIRECTIONS, MOST = 7, 64, 2000  # side, projections, patches of a frame


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


def gradient_energy(frame, mask):
    """Mean square of the differences between neighbours, at least one of which is in the hole."""
    x = frame.astype(np.float32)
    total = count = 0
    for axis in (0, 1):
        n = mask.shape[axis]
        near = mask.take(range(1, n), axis) | mask.take(range(n - 1), axis)
        step = (np.diff(x, axis=axis) ** 2).mean(-1)[near]
        total, count = total + step.sum(), count + step.size
    return total / max(count, 1)


def patches(frame, where, random):
    """Patches around some of the places that are true in `where`: less their mean, over their length
    (that of one with little contrast counts as 10 grey levels)."""
    grey, half = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32), PATCH // 2
    inner = where[half:-half, half:-half]
    places = np.argwhere(inner)
    if len(places) > MOST:
        places = places[random.choice(len(places), MOST, replace=False)]
    views = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH))
    found = views[tuple(places.T)].reshape(len(places), -1)
    found = found - found.mean(1, keepdims=True)
    return found / np.sqrt((found ** 2).mean(1, keepdims=True) + 10 ** 2)


def patch_distance(a, at, b, there):
    """Sliced Wasserstein distance of the patches around places of two frames, mean of three scales."""
    random = np.random.default_rng(1)
    directions = random.normal(size=(PATCH * PATCH, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    levels, found = np.linspace(0, 1, 101), []
    for scale in range(3):
        if scale:
            a, b = cv2.pyrDown(a), cv2.pyrDown(b)
            at, there = (mask[::2, ::2] for mask in (at, there))
        x, y = patches(a, at, random), patches(b, there, random)
        if len(x) < 20 or len(y) < 20:
            continue
        x, y = (np.quantile(it @ directions, levels, axis=0) for it in (x, y))
        found.append(np.abs(x - y).mean())
    return np.mean(found) if found else np.nan


def surroundings(mask, reach=24):
    """What is near a hole, and far enough for no patch to reach into it."""
    def grown(by):
        return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1,) * 2, np.uint8)) > 0
    return grown(reach) & ~grown(PATCH // 2 + 1)


def detail(frames, truth, masks):
    """What does not reward grey: gradient energy in the hole over the truth's; distance of patches, hole
    against truth and hole against surroundings; mean change from frame to frame in the hole where
    the truth stands still (less than 8 levels in every colour and frame), over that of the truth."""
    energy, same, near, moved, still = [], [], [], [], []
    for t, (frame, true, mask) in enumerate(zip(frames, truth, masks)):
        if mask.sum() <= 20:
            continue
        energy.append(gradient_energy(frame, mask) / max(gradient_energy(true, mask), 1))
        if t % 2 == 0:
            same.append(patch_distance(frame, mask, true, mask))
            near.append(patch_distance(frame, mask, frame, surroundings(mask)))
        if t == 0:
            continue
        both = mask & masks[t - 1]
        off, real = (np.abs(cv2.GaussianBlur(x[t], (0, 0), 2).astype(np.float32)
                            - cv2.GaussianBlur(x[t - 1], (0, 0), 2)).max(-1) for x in (frames, truth))
        both &= real < 8
        if both.sum() > 20:
            moved.append(off[both].mean())
            still.append(real[both].mean())
    change = np.sum(moved) / max(np.sum(still), 1e-3) if moved else np.nan
    return np.mean(energy), np.nanmean(same), np.nanmean(near), change


def score(frames, truth, masks, motion):
    """PSNR and SSIM of whole frames, PSNR in the hole, warping error x 1e-3 whole and in the hole
    (where the flow of the truth is visible in both frames), the largest change outside, and `detail`."""
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
            np.mean(whole) * 1e3, np.mean(inside) * 1e3, max(outside), *detail(frames, truth, masks))
