"""Everything a result is good for afterwards, one product a file.

Each product is made of records and knows nothing of the screen. Words and rounded numbers, where a product is for
people, are handed in by whoever asks for it.
"""
