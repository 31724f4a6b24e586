"""How fast are the two packages, beside rivals and floor?

`messages` for minizmtp, `http_client` for minihttp, `tap` for the tap.
"""
