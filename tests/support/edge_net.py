"""EfficientNet-Lite0 with driftloop's light decoder in plain PyTorch, under the names of the weights: what the C++ net is compared with, in
results (tests/golden/edge_network.py) and in speed (tests/bench/peer_step.py). Needs torch alone."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

# repeats, kernel, stride, expand, out (Tan and Le 2019; the "lite" release)
STAGES = [(1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320)]


class Same(nn.Conv2d):
    """TensorFlow's padding: of an odd amount the larger half goes right and below."""

    def forward(self, x):
        (k, _), (s, _), (d, _) = self.kernel_size, self.stride, self.dilation
        if s == 1:
            return F.conv2d(x, self.weight, self.bias, 1, d * (k // 2), d, self.groups)
        rows, columns = (max((math.ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0) for n in x.shape[2:])
        padded = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(padded, self.weight, self.bias, s, 0, d, self.groups)


def conv(i, o, k=1, s=1, d=1, g=1):
    return Same(i, o, k, s, dilation=d, groups=g, bias=False)


class Block(nn.Module):
    def __init__(self, kernel, stride, expand, i, o, dilation):
        super().__init__()
        middle, self.skip, self.expands = i * expand, stride == 1 and i == o, expand > 1
        if self.expands:
            self._expand_conv, self._bn0 = conv(i, middle), nn.BatchNorm2d(middle, 1e-3, .03)
        self._depthwise_conv, self._bn1 = conv(middle, middle, kernel, stride, dilation, middle), nn.BatchNorm2d(middle, 1e-3, .03)
        self._project_conv, self._bn2 = conv(middle, o), nn.BatchNorm2d(o, 1e-3, .03)

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x)), True) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)), True)
        y = self._bn2(self._project_conv(y))
        return x + y if self.skip else y


class Encoder(nn.Module):
    def __init__(self, output_stride):
        super().__init__()
        self._conv_stem, self._bn0 = conv(3, 32, 3, 2), nn.BatchNorm2d(32, 1e-3, .03)
        blocks, i, stride, dilation, self.ends = [], 32, 2, 1, []
        for repeats, kernel, step, expand, o in STAGES:
            for repeat in range(repeats):
                step = step if repeat == 0 else 1
                own = dilation  # the block that gives up its stride still sees the map before it
                if step * stride > output_stride:
                    dilation, step = dilation * step, 1
                stride *= step
                blocks.append(Block(kernel, step, expand, i, o, own))
                i = o
            self.ends.append(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x):
        y = F.relu6(self._bn0(self._conv_stem(x)), True)
        maps = []
        for index, block in enumerate(self._blocks):
            y = block(y)
            if index in self.ends[1:3]:
                maps.append(y)
        return *maps, y  # stride 4, stride 8, the last


class Point(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv, self.norm = conv(i, o), nn.BatchNorm2d(o, 1e-5, .03)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)), True)


class NormRelu(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, 1e-5, .03)

    def forward(self, x):
        return F.relu(self.norm(x), True)


def resized(x, like):
    return F.interpolate(x, size=like.shape[2:], mode='bilinear', align_corners=False)


class Decoder(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.context, self.gate, self.middle, self.low = Point(320, 128), nn.Linear(320, 128), conv(40, 32), conv(24, 24)
        self.join8, self.point8, self.join4, self.point4 = NormRelu(160), Point(160, 64), NormRelu(88), Point(88, 64)
        self.spatial, self.mix = nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False), Point(64, 64)
        self.classifier = nn.Conv2d(64, classes, 1)

    def forward(self, low, middle, last):
        z = self.context(last) * torch.sigmoid(self.gate(last.mean((2, 3))))[:, :, None, None]
        z = self.point8(self.join8(torch.cat((resized(z, middle), self.middle(middle)), 1)))
        z = self.point4(self.join4(torch.cat((resized(z, low), self.low(low)), 1)))
        return self.classifier(self.mix(self.spatial(z)))


class EdgeNet(nn.Module):
    """(N, 3, H, W), normalised -> logits (N, classes, H/4, W/4)."""

    def __init__(self, classes=19, output_stride=16):
        super().__init__()
        self.encoder, self.decoder = Encoder(output_stride), Decoder(classes)

    def forward(self, x):
        return self.decoder(*self.encoder(x))
