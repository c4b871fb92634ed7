"""The float results that attacks start from, in their files."""

from pathlib import Path

import torch

from benchmark.runs.points import load_point, point_sha256, save_point


def test_points_survive_their_file_bit_by_bit(tmp_path: Path) -> None:
    for dtype in (torch.float32, torch.float64):
        point = torch.rand(3, 5, 4, dtype=dtype).numpy()
        save_point(point, tmp_path / "a" / "point.npz")
        read = load_point(tmp_path / "a" / "point.npz", inside=tmp_path)
        assert read.dtype == point.dtype
        assert (read == point).all()
        assert point_sha256(read) == point_sha256(point) != point_sha256(read[:, :4])
