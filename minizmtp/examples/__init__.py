"""Programs to run and to change: python -m minizmtp.examples.NAME"""
