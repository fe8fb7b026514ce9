"""The SQLite file of a session. It stores states and does not depend on sessions.

`format` defines the tables, `documents` converts states to rows and back, `writer` keeps the file open and commits
edits, `reader` loads one, and `recorder` keeps a session and its file in sync.
"""
