"""Computing on one core."""

from __future__ import annotations

import torch

from sam_widget.teach.threads import one_thread


def test_one_core_is_used_and_the_others_afterwards_even_after_an_error() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        try:
            with one_thread():
                assert torch.get_num_threads() == 1
                raise ValueError
        except ValueError:
            pass
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
