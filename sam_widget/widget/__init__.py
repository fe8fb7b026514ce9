"""What crosses the wire: the anywidget, its messages, and the worker thread that runs the model.

`verbs.py` derives requests from the marked methods of sessions and widgets, `protocol.py` defines the other messages,
`state.py` turns a session into them, `dispatcher.py` carries requests out, and `replies.py` answers each of them once.
`worker.py` keeps the model out of the thread that handles messages, and `sam_widget.py` joins the parts.
`server_extension.py` and `direct.py` shorten the way between page and kernel. The view itself is TypeScript, in `js/`;
`static/` holds its bundle.
"""
