#!/usr/bin/env python3
"""The training step of train_step_bench.cpp (train_step/lite0) in PyTorch, written as one would: the same net, batch, losses,
AdamW and teacher, channels last, fused optimiser. Prints the median in ms, and with --ours PROGRAM the ratio to driftloop-bench
beside it (the two are run in turn). Needs torch alone: python3 -m venv v && v/bin/pip install torch==2.11.0
"""
import argparse, copy, json, re, resource, statistics, subprocess, sys, time
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support.edge_net import EdgeNet


def make_step(source, target, unlabelled, height, width, device):
    torch.manual_seed(1)
    torch.set_default_device(device)
    student = EdgeNet().to(memory_format=torch.channels_last).train()
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    image = lambda n: torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8)
    xs, xt, weak, strong = image(source), image(target), image(unlabelled), image(unlabelled)
    ys = torch.randint(0, 19, (source, height // 16, width // 16)).repeat_interleave(16, 1).repeat_interleave(16, 2)
    yt = torch.full((target, height, width), 255)
    yt[:, :8, :8] = 1
    full_size = lambda logits: F.interpolate(logits, size=(height, width), mode='bilinear', align_corners=False)
    seen = lambda x: ((x.float() - 127) / 128).permute(0, 3, 1, 2)

    def step():
        optimiser.zero_grad()
        parts = [xs, xt]
        if unlabelled:
            with torch.no_grad():
                p = full_size(teacher(seen(weak))).softmax(1)
                entropy = -(p * (p + 1e-10).log()).sum(1)
                confidence, label = p.max(1)
                label[entropy >= torch.quantile(entropy.flatten()[:1 << 24], .8)] = 255
                weight = confidence ** 2
            parts.append(strong)
        out = full_size(student(seen(torch.cat(parts))))
        loss = F.cross_entropy(out[:source], ys, ignore_index=255) + F.cross_entropy(out[source:source + target], yt, ignore_index=255)
        if unlabelled:
            loss = loss + (F.cross_entropy(out[source + target:], label, ignore_index=255, reduction='none') * weight).sum() / weight.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 10)
        optimiser.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(teacher.parameters()), list(student.parameters()), .01)
            for to, of in zip(teacher.buffers(), student.buffers()): to.copy_(of)
        return loss.item()
    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ours', metavar='PROGRAM', help='driftloop-bench, to be run in turn with this')
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--steps', type=int, default=5, help='measured in each turn')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for batch in ((4, 4, 0), (4, 4, 4)):
        name = ('train_step_cuda' if arguments.device == 'cuda' else 'train_step') + '/lite0/stride:16/' + '+'.join(str(n) for n in batch if n) + '/176x240'
        step, theirs, ours, memory = make_step(*batch, 176, 240, arguments.device), [], [], []
        for _ in range(arguments.turns):
            step()
            for _ in range(arguments.steps):
                start = time.perf_counter()
                step()
                theirs.append(1e3 * (time.perf_counter() - start))
            if arguments.ours:
                run = subprocess.run([arguments.ours, f'--benchmark_filter={re.escape(name)}$', '--benchmark_repetitions=3', '--benchmark_format=json'],
                                     capture_output=True, text=True)
                try:
                    results = [r for r in json.loads(run.stdout)['benchmarks'] if r['run_type'] == 'iteration']
                except (ValueError, KeyError):
                    sys.exit(f'{arguments.ours} did not run {name}: {run.stdout} {run.stderr}')
                ours += [r['real_time'] for r in results]
                memory += [r['peak_MiB'] for r in results]
        peer = statistics.median(theirs)
        print(f'{name}: PyTorch {peer:.0f} ms, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB at most', end='')
        if ours:
            mine = statistics.median(ours)
            print(f'; driftloop {mine:.0f} ms, {max(memory):.0f} MiB: ratio {mine / peer:.2f}', end='')
        print(flush=True)


if __name__ == '__main__':
    main()
