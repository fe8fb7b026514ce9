"""What crosses the wire: the anywidget, its protocol, and the worker thread that runs the model.

`protocol.py` defines every message, `wire.py` turns a session into them, `answers.py` says what came of each request,
`worker.py` keeps the model out of the thread that handles messages, and `sam_widget.py` joins them.
`server_extension.py` and `direct.py` shorten the way between page and kernel. What a view looks like is TypeScript, in
`js/`; `static/` holds its bundle.
"""
