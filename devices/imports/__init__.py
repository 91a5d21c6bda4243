"""The two import interfaces as values: files into rows, rows into outcomes. No Django here.

Read from the bottom: `text` and `workbook` turn a file into records of cells, `header` names the
columns, `cells` mends and reads each cell by its column's kind, `devicerules` and `grouprules` say
what a row means for the state that the rows before it left, `results` writes the clerk's answer.
"""
