"""Packages that only tests need, as servers find them: not at all.

REST framework and Django import them wherever they are there, which is a fifth of a start, and nothing that users have.
"""
