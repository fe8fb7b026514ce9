"""Tests that a person could do by hand, in a real JupyterLab in Chromium."""
