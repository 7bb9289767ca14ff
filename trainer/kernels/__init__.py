"""Programs for a GPU, written in Triton (https://triton-lang.org), a Python that is compiled for it.

Who uses them imports them only then: Triton comes with torch on Linux alone.
"""
