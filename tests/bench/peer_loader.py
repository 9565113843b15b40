#!/usr/bin/env python3
"""Images a second from files of 2048x1024 to batches of four labelled crops of 769x769 (scale 0.5 to 2, flip), by driftloop's loader
(loader_bench.cpp) and by PyTorch's DataLoader with as many workers, in turn. The peer is written as the published code does it: Pillow
reads both files, resizes them whole, pads, crops and mirrors; like ours it hands over bytes, which a GPU normalises.
Needs torch, numpy and pillow: python3 -m venv v && v/bin/pip install torch==2.11.0 numpy pillow
"""
import argparse, json, os, random, statistics, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

CROP, BATCH = 769, 4
MEAN, IGNORE = (124, 116, 104), 255


class Crops(Dataset):
    def __init__(self, folder):
        self.files = sorted((folder / 'images').iterdir())
        self.labels = folder / 'labels'

    def __len__(self):
        return 10 ** 9

    def __getitem__(self, index):
        file = self.files[random.randrange(len(self.files))]
        image, label = Image.open(file).convert('RGB'), Image.open(self.labels / (file.stem + '.png'))
        scale = random.uniform(1, 2) if random.random() < .5 else random.uniform(.5, 1)
        size = round(image.width * scale), round(image.height * scale)
        image, label = image.resize(size, Image.BILINEAR), label.resize(size, Image.NEAREST)
        if size[0] < CROP or size[1] < CROP:
            padded = max(size[0], CROP), max(size[1], CROP)
            whole, whole_label = Image.new('RGB', padded, MEAN), Image.new('L', padded, IGNORE)
            whole.paste(image), whole_label.paste(label)
            image, label = whole, whole_label
        x, y = random.randint(0, image.width - CROP), random.randint(0, image.height - CROP)
        image, label = (picture.crop((x, y, x + CROP, y + CROP)) for picture in (image, label))
        if random.random() < .5:
            image, label = (picture.transpose(Image.FLIP_LEFT_RIGHT) for picture in (image, label))
        return torch.from_numpy(np.array(image)), torch.from_numpy(np.array(label))


def peer(folder, workers, batches):
    loader = iter(DataLoader(Crops(folder), batch_size=BATCH, num_workers=workers))
    for _ in range(workers + 1): next(loader)
    start = time.perf_counter()
    for _ in range(batches): next(loader)
    return batches * BATCH / (time.perf_counter() - start)


def ours(program, folder, workers):
    run = subprocess.run([program, f'--benchmark_filter=^loader/769x769/workers:{workers}/', '--benchmark_min_time=3', '--benchmark_format=json'],
                         capture_output=True, text=True, env=os.environ | {'DRIFTLOOP_BENCH_DATA': f'folder:{folder}'})
    try:
        return json.loads(run.stdout)['benchmarks'][0]['images']
    except (ValueError, KeyError, IndexError):
        sys.exit(f'{program} did not measure the loader: {run.stdout} {run.stderr}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--programs', type=Path, required=True, help='folder of driftloop and driftloop-bench')
    parser.add_argument('--workers', type=int, choices=(1, 2, 4, 8, 16), default=2)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--images', type=int, default=24, help='rendered for it, 2048x1024')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        subprocess.run([arguments.programs / 'driftloop', 'data', 'drive', '--out', folder, '--width', '2048', '--height', '1024', '--stride', '40',
                        '--frames', str(arguments.images)], check=True, stdout=subprocess.DEVNULL)
        mine, theirs = [], []
        for _ in range(arguments.turns):
            theirs.append(peer(folder, arguments.workers, 10))
            mine.append(ours(arguments.programs / 'driftloop-bench', folder, arguments.workers))
    a, b = statistics.median(mine), statistics.median(theirs)
    print(f'{arguments.workers} workers, images/s: driftloop {a:.1f}, PyTorch {b:.1f}: ratio {a / b:.2f}')


if __name__ == '__main__':
    main()
