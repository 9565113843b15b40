#!/usr/bin/env python3
"""Writes the cases of the family edge_network: logits of the plain PyTorch net of tests/support/edge_net.py with weights by the rule of
cases/README.md, and of its encoder with the published ImageNet weights. Needs torch: python3 -m venv v && v/bin/pip install torch==2.11.0

usage: edge_network.py FOLDER [efficientnet_lite0.pth]
"""
import json
import sys
import zlib
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from support.edge_net import EdgeNet


def fill(name, tensor):
    count = tensor.numel()
    index = torch.arange(count, dtype=torch.int64)
    u = ((index * 2654435761 + zlib.crc32(name.encode())) % (1 << 32)).double() / (1 << 32)
    value = 0.5 + u
    if name.endswith('running_mean') or name.endswith('bias'):
        value = 0.1 * (u - 0.5)
    elif tensor.dim() > 1:
        value = 2 * (u - 0.5) * (3 * tensor.shape[0] / count) ** 0.5
    tensor.copy_(value.float().view(tensor.shape))


def write(path, tensors, metadata):
    header, data = {'__metadata__': metadata}, b''
    for name, tensor in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, 'little') + text + data)


def state_of(net):
    return {name: value for name, value in net.state_dict().items() if not name.endswith('num_batches_tracked')}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    with torch.no_grad():
        for stride, size in ((16, (65, 90)), (8, (48, 70))):
            net = EdgeNet(19, stride).eval()
            for name, value in state_of(net).items():
                fill(name, value)
            image = torch.randn(2, 3, *size)
            keys = ''.join(f'{name} {list(value.shape)}\n' for name, value in state_of(net).items())
            write(folder / f'lite0_stride{stride}.safetensors', {'in.image': image, 'out.logits': net(image)},
                  {'net': 'efficientnet_lite0', 'output_stride': str(stride), 'keys': keys})
        if len(sys.argv) > 2:
            net = EdgeNet(19, 16).eval()
            weights = torch.load(sys.argv[2], map_location='cpu', weights_only=True)
            missing = net.encoder.load_state_dict(weights, strict=False).missing_keys
            assert not missing, missing
            image = torch.randn(1, 3, 96, 128)
            low, middle, last = net.encoder(image)
            write(folder / 'lite0_imagenet.safetensors', {'in.image': image, 'out.last_mean': last.mean((2, 3)), 'out.last': last[:, :, 2:4, 3:5]},
                  {'net': 'efficientnet_lite0', 'output_stride': '16', 'weights': 'efficientnet_lite0.pth'})


if __name__ == '__main__':
    main()
