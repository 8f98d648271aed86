#!/usr/bin/python3
"""Scores the package on cases whose truth is known, against what one would do without it.

    bench/quality/run.py --cases DIR --out DIR [--weights FILE] [--command 'npx align-and-attend']
                         [--results NAME=DIR ...] [--i3d FILE]

A case is a folder with frames/ (the truth) and masks/ (white is removed). Masks are not grown,
so that all methods fill the same pixels. DIR/CASE/ of --results holds the frames of another
method, to be scored beside; an empty --command leaves the package itself out. --i3d, a TorchScript
file (see vfid.py), adds the VFID over all cases. Needs Python 3.11 with OpenCV and NumPy, and
PyTorch for VFID.
"""
import argparse
import pathlib
import shlex
import shutil
import subprocess
import tempfile

import cv2
import numpy as np

import baselines
import score

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def read(folder, flags=cv2.IMREAD_COLOR):
    return [cv2.imread(str(path), flags) for path in sorted(folder.iterdir())]


def package(truth, masks, out, options):
    """The frames that the command line makes of a case. It is given the pixels that are scored:
    decoders differ in how they enlarge the colours of JPEG and WebP."""
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        given = pathlib.Path(folder)
        white = [mask * np.uint8(255) for mask in masks]
        for name, images in (('frames', truth), ('masks', white)):
            (given / name).mkdir()
            for t, image in enumerate(images):
                cv2.imwrite(str(given / name / f'{t:05d}.png'), image)
        command = [*shlex.split(options.command), str(given / 'frames'),
                   '--mask', str(given / 'masks'), '-o', str(out.resolve()),
                   '--dilate', '0', '--device', options.device, '--quiet']
        if options.weights:
            command += ['--weights', str(pathlib.Path(options.weights).resolve())]
        subprocess.run(command, check=True, cwd=ROOT)
    return read(out)


def sheet(truth, masks, results):
    """Three frames of a case: what is given, what every method makes of it, the truth."""
    rows = []
    for t in np.linspace(0, len(truth) - 1, 5).astype(int)[1:4]:
        given = np.where(masks[t][..., None], np.uint8(127), truth[t])
        rows.append(np.hstack([given, *(frames[t] for frames in results.values()), truth[t]]))
    return np.vstack(rows)


def table(rows):
    """Per method, each case and the mean."""
    for method in rows[0][1]:
        print(f'\n{method:24s}' + ''.join(f'{name:>9s}' for name in score.FIGURES))
        values = [(name, figures[method]) for name, figures in rows]
        mean = np.nanmean([v for _, v in values], 0)
        for name, figures in [*values, (f'mean of {len(values)}', mean)]:
            print(f'{name:24s}' + ''.join(f'{v:9.{d}f}'
                                         for v, d in zip(figures, score.DIGITS)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--cases', required=True, type=pathlib.Path)
    parser.add_argument('--out', required=True, type=pathlib.Path)
    parser.add_argument('--weights', help='instead of the package\'s own')
    parser.add_argument('--device', default='auto')
    parser.add_argument('--command', default='npx tsx lib/cli/main.ts')
    parser.add_argument('--results', metavar='NAME=DIR', action='append', default=[])
    parser.add_argument('--i3d', help='a TorchScript module of I3D features, for VFID')
    options = parser.parse_args()
    if options.i3d:
        import torch
        import vfid
        i3d, seen = torch.jit.load(options.i3d).eval(), {}
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for case in sorted(path for path in options.cases.iterdir() if path.is_dir()):
        truth = read(case / 'frames')
        masks = [mask > 0 for mask in read(case / 'masks', cv2.IMREAD_GRAYSCALE)]
        results = {'telea': baselines.telea(truth, masks),
                   'homography copy': baselines.homography(truth, masks)}
        if options.command:
            results['align-and-attend'] = package(truth, masks, options.out / case.name, options)
        for name, folder in (given.split('=', 1) for given in options.results):
            results[name] = read(pathlib.Path(folder) / case.name)
        for method, frames in results.items():
            assert len(frames) == len(truth), f'{method}: {len(frames)} of {len(truth)} frames'
        motion = score.flows(truth)
        rows.append((case.name, {method: score.score(frames, truth, masks, motion)
                                 for method, frames in results.items()}))
        if options.i3d:
            for method, frames in {**results, 'truth': truth}.items():
                seen.setdefault(method, []).append(vfid.features(i3d, frames))
        cv2.imwrite(str(options.out / f'{case.name}.png'), sheet(truth, masks, results))
        print(f'{case.name}: ' + ', '.join(f'{name} {figures[0]:.2f}'
                                           for name, figures in rows[-1][1].items()), flush=True)
    table(rows)
    if options.i3d:
        real = np.concatenate(seen.pop('truth'))
        for method, found in seen.items():
            print(f'VFID {method}: {vfid.distance(np.concatenate(found), real):.4f}')


if __name__ == '__main__':
    main()
