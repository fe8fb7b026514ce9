"""How good a model is: simulated clicks on photos with human masks, next to classical baselines.

`evaluate` runs the protocol, `baselines` are the classical methods it is compared with, `report` draws the figures,
`inpainting` measures masked autoencoders.
"""
