"""The table of models."""

from __future__ import annotations

import dataclasses

import sam_widget as sw
from sam_widget.model.model_table import ModelTable


def test_the_table_is_a_tuple_and_a_table() -> None:
    table = sw.models()
    assert isinstance(table, tuple)
    assert table[0].name == "tiny"
    html, text = table._repr_html_(), str(table)
    assert html.count("<tr>") == len(table) + 1
    assert all(f">{row.name}</td>" in html and row.name in text for row in table)
    hostile = ModelTable([dataclasses.replace(table[0], name="<img src=x onerror=alert(1)>", licence='"&')])
    assert "<img" not in hostile._repr_html_()
    assert "&lt;img src=x onerror=alert(1)&gt;" in hostile._repr_html_()
