"""The SQLite file of a session. It stores states and does not depend on sessions.

`format` defines the tables and `documents` the JSON in them, `encoder` and `decoder` convert states, `writer` keeps the
file open and commits edits, `reader` loads one, and `recorder` keeps a session and its file in sync.
"""
