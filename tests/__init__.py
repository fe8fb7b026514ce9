"""Tests of sam_widget: what a module promises is checked in the file of its name."""
