"""Programs to run and to change: python -m examples.NAME"""
