"""Tests of what users do by hand, in a real JupyterLab in Chromium."""
