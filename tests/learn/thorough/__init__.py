"""All wrong programs of the course, and all steps before a step. By name only: python -m pytest tests/learn/thorough"""
