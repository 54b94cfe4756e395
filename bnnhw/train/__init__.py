"""Training of binary networks, of which every number in hardware is known beforehand.

`run.train` is the whole way from images to files. `nets`, `teach` and `loop` need PyTorch (extra
`train`); nothing else of bnnhw imports them.
"""
