#!/usr/bin/env python3
"""The training step of train_step_bench.cpp (train_step/lite0) in PyTorch, written as one would: the same net, batch, losses,
AdamW and teacher, channels last, fused optimiser. Prints the median in ms, and with --ours PROGRAM the ratio to driftloop-bench
beside it (the two are run in turn). Needs torch alone: python3 -m venv v && v/bin/pip install torch==2.11.0
"""
import argparse, copy, json, math, re, resource, statistics, subprocess, sys, time
import torch, torch.nn as nn, torch.nn.functional as F

# kernel, stride, expand, in, out, dilation (output stride 16)
BLOCKS = [(3, 1, 1, 32, 16, 1), (3, 2, 6, 16, 24, 1), (3, 1, 6, 24, 24, 1), (5, 2, 6, 24, 40, 1), (5, 1, 6, 40, 40, 1), (3, 2, 6, 40, 80, 1),
          (3, 1, 6, 80, 80, 1), (3, 1, 6, 80, 80, 1), (5, 1, 6, 80, 112, 1), (5, 1, 6, 112, 112, 1), (5, 1, 6, 112, 112, 1), (5, 1, 6, 112, 192, 1),
          (5, 1, 6, 192, 192, 2), (5, 1, 6, 192, 192, 2), (5, 1, 6, 192, 192, 2), (3, 1, 6, 192, 320, 2)]


class Same(nn.Conv2d):
    """TensorFlow's padding: of an odd amount the larger half goes right and below."""
    def forward(self, x):
        (k, _), (s, _), (d, _) = self.kernel_size, self.stride, self.dilation
        if s == 1:
            return F.conv2d(x, self.weight, self.bias, 1, d * (k // 2), d, self.groups)
        rows, columns = (max((math.ceil(n / s) - 1) * s + k - n, 0) for n in x.shape[2:])
        return F.conv2d(F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)), self.weight, self.bias, s, 0, 1, self.groups)


def conv(i, o, k=1, s=1, d=1, g=1):
    return Same(i, o, k, s, dilation=d, groups=g, bias=False)


class Block(nn.Module):
    def __init__(self, k, s, e, i, o, d):
        super().__init__()
        m, self.skip = i * e, s == 1 and i == o
        up = [conv(i, m), nn.BatchNorm2d(m, 1e-3, .03), nn.ReLU6(True)] if e > 1 else []
        self.body = nn.Sequential(*up, conv(m, m, k, s, d, m), nn.BatchNorm2d(m, 1e-3, .03), nn.ReLU6(True), conv(m, o), nn.BatchNorm2d(o, 1e-3, .03))

    def forward(self, x):
        return x + self.body(x) if self.skip else self.body(x)


def point(i, o):
    return nn.Sequential(conv(i, o), nn.BatchNorm2d(o, 1e-5, .03), nn.ReLU(True))


def joined(c):
    return nn.Sequential(nn.BatchNorm2d(c, 1e-5, .03), nn.ReLU(True))


class Net(nn.Module):
    def __init__(self, classes=19):
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 3, 2), nn.BatchNorm2d(32, 1e-3, .03), nn.ReLU6(True))
        self.blocks = nn.ModuleList(Block(*b) for b in BLOCKS)
        self.context, self.gate, self.middle, self.low = point(320, 128), nn.Linear(320, 128), conv(40, 32), conv(24, 24)
        self.up8 = nn.Sequential(joined(160), point(160, 64))
        self.up4 = nn.Sequential(joined(88), point(88, 64), nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False), point(64, 64))
        self.classifier = nn.Conv2d(64, classes, 1)

    def forward(self, x):
        y = self.stem(x)
        for i, block in enumerate(self.blocks):
            y = block(y)
            if i == 2: low = y
            if i == 4: mid = y
        to = lambda t, like: F.interpolate(t, size=like.shape[2:], mode='bilinear', align_corners=False)
        z = self.context(y) * torch.sigmoid(self.gate(y.mean((2, 3))))[:, :, None, None]
        z = self.up8(torch.cat((to(z, mid), self.middle(mid)), 1))
        z = self.up4(torch.cat((to(z, low), self.low(low)), 1))
        return to(self.classifier(z), x)


def make_step(source, target, unlabelled, height, width):
    torch.manual_seed(1)
    student = Net().to(memory_format=torch.channels_last).train()
    teacher = copy.deepcopy(student).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(student.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
    image = lambda n: torch.randint(0, 256, (n, height, width, 3), dtype=torch.uint8)
    xs, xt, weak, strong = image(source), image(target), image(unlabelled), image(unlabelled)
    ys = torch.randint(0, 19, (source, height // 16, width // 16)).repeat_interleave(16, 1).repeat_interleave(16, 2)
    yt = torch.full((target, height, width), 255)
    yt[:, :8, :8] = 1
    seen = lambda x: ((x.float() - 127) / 128).permute(0, 3, 1, 2)

    def step():
        optimiser.zero_grad()
        parts = [xs, xt]
        if unlabelled:
            with torch.no_grad():
                p = teacher(seen(weak)).softmax(1)
                entropy = -(p * (p + 1e-10).log()).sum(1)
                confidence, label = p.max(1)
                label[entropy >= torch.quantile(entropy.flatten()[:1 << 24], .8)] = 255
                weight = confidence ** 2
            parts.append(strong)
        out = student(seen(torch.cat(parts)))
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
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for batch in ((4, 4, 0), (4, 4, 4)):
        name = 'train_step/lite0/stride:16/' + '+'.join(str(n) for n in batch if n) + '/176x240'
        step, theirs, ours, memory = make_step(*batch, 176, 240), [], [], []
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
