"""How fast are the two packages, compared with rivals and with the floor?

`messages` for minizmtp, `http_client` for minihttp, `tap` for the tap.
"""
