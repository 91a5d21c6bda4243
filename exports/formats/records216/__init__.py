"""What the formats of 216-byte records share: MV-90 (mv90) and HHF-X1 (hhf).

The frame of a record, cells and status words, fill, unit codes, local standard time, the meters of
a frame as they stand in a file, the declared and the compiled writer, and the reader's scan.
"""
