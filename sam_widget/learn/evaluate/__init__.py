"""Evaluation: simulated clicks on photos with human masks, compared with classical baselines.

`evaluate` runs the protocol, `baselines` are the classical methods, `report` draws tables and figures,
`inpainting` measures masked autoencoders.
"""
