"""Imports: staged, shown as a difference, applied as sets, taken back.

`jobs` keeps the row of an import and who works on it, `stage` reads a file into the staging
tables, `apply` makes its change set true, `undo` takes it back, `later` does what was stored for a
time to come, `answer` writes the clerk's result, `work` is the background.
"""
