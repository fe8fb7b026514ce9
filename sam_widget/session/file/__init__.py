"""The SQLite file of a session; it knows states, not sessions.

`format` describes the tables, `documents` turns states into rows and back, `writer` holds the file open and commits
edits, `reader` loads one, and `recorder` keeps a session and its file in step.
"""
